// Which operations answer at which address: inference, management and metrics, the first two on one listener where their addresses are the
// same. Nothing listens yet; server.ts opens and closes them.
import { isSameAddress } from './config/listen-address.ts';
import type { ServerConfig } from './config/server-config.ts';
import { describedOperations } from './http/description-routes.ts';
import type { ExchangeContext } from './http/exchange-context.ts';
import { pingOperation, probeOperations } from './http/health-routes.ts';
import { HttpServer, type ListenerLimits } from './http/http-server.ts';
import { inferenceOperations } from './http/inference-routes.ts';
import { kserveOperations, kserveReadyOperation } from './http/kserve-routes.ts';
import { managementOperations } from './http/management-routes.ts';
import { metricsOperation } from './http/metrics-routes.ts';
import { openInferenceOperations } from './http/open-inference-routes.ts';
import type { Operation } from './http/operation.ts';
import type { CustomizedDescribe } from './services/customized-describe.ts';
import type { HealthService } from './services/health-service.ts';
import type { InferenceService } from './services/inference-service.ts';
import type { ManagementService } from './services/management-service.ts';
import type { OpenInferenceService } from './services/open-inference-service.ts';
import type { ServerMetrics } from './telemetry/server-metrics.ts';

/** Whoever manages or watches a server needs few connections, and must get them while the inference listener is flooded. */
const MAX_OPERATOR_CONNECTIONS = 512;

/** Descriptors that predictions leave free, of a small allowance a quarter: half of them for operators, the rest for workers, archives and logs. */
const RESERVED_DESCRIPTORS = 64;

export interface ListenerParts {
  readonly config: ServerConfig;
  /** How many files and sockets the process may have open. */
  readonly openFileLimit: number;
  readonly context: ExchangeContext;
  readonly management: ManagementService;
  readonly inference: InferenceService;
  readonly customized: CustomizedDescribe;
  readonly health: HealthService;
  readonly metrics: ServerMetrics;
  readonly openInference: OpenInferenceService;
  readonly version: string;
}

/** One listener each, none of them open. */
export function createListeners(parts: ListenerParts) {
  const { config, context, health, metrics } = parts;
  const isCombined = isSameAddress(config.inferenceAddress, config.managementAddress);
  const describe = (description: string, operations: readonly Operation[]) =>
    describedOperations(operations, {
      serverVersion: parts.version,
      description,
      checkModel: (name, label) => parts.inference.check(name, label),
    });
  const openInference = openInferenceOperations({
    inference: parts.inference,
    models: parts.openInference,
    health,
    dialect: config.dialect,
    serverVersion: parts.version,
  });
  const inferenceOnes = [
    ...openInference,
    pingOperation(health),
    ...inferenceOperations({ inference: parts.inference, dialect: config.dialect, isCombined }),
    ...kserveOperations(parts.inference, config.dialect),
  ];
  const { clients } = config;
  const reserved = Math.min(RESERVED_DESCRIPTORS, Math.floor(parts.openFileLimit / 4));
  const limits: ListenerLimits = {
    maxConnections: clients.maxConnections,
    maxIdleConnections: clients.maxIdleConnections,
    descriptorLimit: parts.openFileLimit - reserved,
    headerTimeoutMs: clients.headerTimeoutSec * 1000,
    keepAliveTimeoutMs: clients.keepAliveTimeoutSec * 1000,
  };
  const operatorLimits = {
    ...limits,
    maxConnections: Math.min(limits.maxConnections, MAX_OPERATOR_CONNECTIONS),
    descriptorLimit: parts.openFileLimit - Math.ceil(reserved / 2),
  };
  const managementOnes = managementOperations({
    management: parts.management,
    customized: parts.customized,
    dialect: config.dialect,
    isModelApiEnabled: config.enableModelApi,
  });
  const probes = [kserveReadyOperation(parts.openInference), ...probeOperations(health)];
  const inference = new HttpServer({
    address: config.inferenceAddress,
    context,
    limits,
    isManagement: isCombined,
    operations: isCombined
      ? describe('Inference and Management API', [...inferenceOnes, ...managementOnes, ...probes])
      : describe('Inference API', [...inferenceOnes, ...probes]),
  });
  const management = isCombined
    ? inference
    : new HttpServer({
        address: config.managementAddress,
        context,
        limits: operatorLimits,
        isManagement: true,
        operations: describe('Management API', [...managementOnes, ...probes]),
      });
  const metricsListener = config.enableMetricsApi
    ? new HttpServer({
        address: config.metricsAddress,
        context,
        limits: operatorLimits,
        isManagement: false,
        operations: describe('Metrics API', [metricsOperation(metrics)]),
      })
    : undefined;
  return {
    inference,
    management,
    metrics: metricsListener,
    all: [...new Set([inference, management, ...(metricsListener === undefined ? [] : [metricsListener])])],
  };
}
