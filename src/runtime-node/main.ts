// The Node worker process: started by the server in the model's folder, with its two channels as descriptors 3 (data) and 4 (control).
import { openChannels } from './channels.ts';
import { serve } from './serve.ts';

// The terminal's Ctrl-C goes to the whole foreground group; the server decides when its workers stop.
process.on('SIGINT', () => undefined);

serve(openChannels());
