// A handler that does nothing, in TypeScript.
import { defineHandler } from 'sconce/handler';

export const handler = defineHandler({ predictOne: () => 'ok' });
