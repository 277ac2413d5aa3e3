// The starts that are refused because the server would be open, or not do what it was told, and nobody would see it. Pure checks over
// typed values; reading them is load-config's work.
import { ConfigError, type GivenSetting } from './config-error.ts';
import { isLoopback, isSameAddress, type ListenAddress } from './listen-address.ts';
import type { AppliedKey } from './server-settings.ts';

/** The settings that the rules look at; `given` tells of each where it was set. */
export interface StartFacts {
  readonly inferenceAddress: ListenAddress;
  readonly managementAddress: ListenAddress;
  /** Undefined when metrics have no listener. */
  readonly metricsAddress: ListenAddress | undefined;
  readonly isTokenAuthorizationDisabled: boolean;
  readonly insecure: boolean;
  /** The flag that sets `insecure`, for the message. */
  readonly openingFlag: string;
  readonly given: (key: AppliedKey) => GivenSetting;
}

/**
 * Checks a start, and returns warnings about what `insecure` allowed.
 * @throws ConfigError for the first rule that is broken
 */
export function checkStart(facts: StartFacts): readonly string[] {
  if (!facts.isTokenAuthorizationDisabled) {
    throw new ConfigError(
      'this release has no tokens yet and would leave the API open; remove the setting (or set it to true) and keep the ' +
        'management address on loopback',
      facts.given('disable_token_authorization'),
    );
  }
  for (const [name, other] of [
    ['inference_address', facts.inferenceAddress],
    ['management_address', facts.managementAddress],
  ] as const) {
    if (facts.metricsAddress !== undefined && isSameAddress(facts.metricsAddress, other)) {
      throw new ConfigError(
        `the metrics have a listener of their own, and ${name} is the same address; choose another port`,
        facts.given('metrics_address'),
      );
    }
  }
  if (isLoopback(facts.managementAddress)) return [];
  const management = facts.given('management_address');
  if (!facts.insecure) {
    throw new ConfigError(
      'whoever reaches the management API can run code on this machine, and this release has no tokens yet; use a loopback ' +
        `address such as http://127.0.0.1:8081, or pass ${facts.openingFlag} to open it all the same`,
      management,
    );
  }
  return [
    `${management.where}: management_address is open to the network: whoever reaches it can run code on this machine`,
  ];
}
