// The probes: TorchServe's /ping, and one each for "is the process alive" and "does it serve all it should".
import type { HealthService } from '../services/health-service.ts';
import type { Operation } from './operation.ts';

/** `/ping` belongs to the inference listener only. */
export function pingOperation(health: HealthService): Operation {
  return {
    id: 'ping',
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    path: '/ping',
    summary: 'Tells whether the models have their workers',
    responses: { 200: 'Healthy', 500: 'Unhealthy' },
    handle: (exchange) => {
      const isHealthy = health.isHealthy();
      exchange.status(isHealthy ? 200 : 500, isHealthy ? 'Healthy' : 'Unhealthy');
    },
  };
}

export function probeOperations(health: HealthService): Operation[] {
  return [
    {
      id: 'livez',
      methods: ['GET', 'HEAD'],
      path: '/livez',
      summary: 'Tells that the process answers',
      responses: { 200: 'Alive' },
      handle: (exchange) => exchange.status(200, 'alive'),
    },
    {
      id: 'readyz',
      methods: ['GET', 'HEAD'],
      path: '/readyz',
      summary: 'Tells whether every version has the workers that it asks for, and if not, why',
      responses: { 200: 'Ready', 503: 'Not ready; reasons says why' },
      handle: (exchange) => {
        const { isReady, reasons } = health.readiness();
        exchange.json(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not ready', reasons });
      },
    },
  ];
}
