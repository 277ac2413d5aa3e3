// What a parser of one setting throws. It knows neither the key nor where the value was written; load-config adds both and makes a
// ConfigError of it.

/** A value that cannot be used; `message` says what was expected. */
export class UnusableValue extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnusableValue';
  }
}
