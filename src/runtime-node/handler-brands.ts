// The marks by which the worker knows what an author's code made with `sconce/handler`. They are registered symbols, so that they hold
// between the worker's copy of that module and the copy that is bundled with the handler.

/** On what `reply` gives. */
export const REPLY = Symbol.for('sconce.reply');

/** On a HandlerError. */
export const HANDLER_ERROR = Symbol.for('sconce.HandlerError');
