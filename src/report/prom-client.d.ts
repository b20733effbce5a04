// What these files of prom-client export; its front door also has what watches a process, with OpenTelemetry's API.
declare module 'prom-client/lib/gauge.js' {
  import { Gauge } from 'prom-client';
  // biome-ignore lint/style/noDefaultExport: it is CommonJS
  export default Gauge;
}
declare module 'prom-client/lib/registry.js' {
  import { Registry } from 'prom-client';
  // biome-ignore lint/style/noDefaultExport: it is CommonJS
  export default Registry;
}
