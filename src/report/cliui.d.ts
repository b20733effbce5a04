// cliui 9 ships no types; only what is used here.
declare module 'cliui' {
  interface CliuiColumn {
    text: string;
    width?: number;
    padding?: [top: number, right: number, bottom: number, left: number];
  }
  interface Cliui {
    div(...columns: CliuiColumn[]): unknown;
    toString(): string;
  }
  // biome-ignore lint/style/noDefaultExport: that is how the package exports it
  export default function cliui(options: { width: number; wrap: boolean }): Cliui;
}
