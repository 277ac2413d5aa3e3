// What the bench has to know of a server to compare it: how it is installed, started and asked.

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {readonly string[]} packages from PyPI
 * @property {boolean} seesSystemPackages
 * @property {number} warmUpMs of load that it gets after each start before anything is measured
 * @property {() => string | undefined} missing what it needs that is not here
 * @property {(handler: import('./loads.mjs').PeerModel['handler'], load: import('./loads.mjs').Load) => string | undefined} request the bytes of
 *   the request; undefined when it cannot do that
 * @property {(model: import('./loads.mjs').PeerModel, place: Place) => Promise<import('../floor.mjs').Subject>} start with workers that are ready
 *
 * @typedef {object} Place
 * @property {string} environment the folder of its virtual environment
 * @property {string} room a folder for its files
 * @property {string} network the MLP as an ONNX file
 * @property {number} queueSize how many requests may wait, where a server bounds that
 */
