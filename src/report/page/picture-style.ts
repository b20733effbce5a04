/** Colours, light and dark: of a page, and of a picture on its own. AA on both grounds. */
export const COLOURS = `
:root{--bg:#fcfcfa;--raised:#f4f4f0;--ink:#1b1c1e;--muted:#5a5e65;--line:#d8d8d1;--link:#a2a5a3;--accent:#0b57a4;--live:#a61b0c;--warn:#7c4a00;--open:#1d5c9e;--quiet:#5a5e65;--unknown:#6a3d9c}
@media (prefers-color-scheme:dark){:root{--bg:#15171a;--raised:#1d2024;--ink:#e6e6e2;--muted:#a3a7ad;--line:#363a40;--link:#62676e;--accent:#8fbcf5;--live:#ff9482;--warn:#e9bd68;--open:#93c0f2;--quiet:#a3a7ad;--unknown:#c9aef2}}
`.trim();

/** Of the SVG of a tree, wherever it is. */
export const PICTURE_STYLE = `
.picture{font:12px ui-monospace,"SF Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.picture text{unicode-bidi:isolate;white-space:pre}
.picture .ground{fill:var(--bg)}
.picture .h{fill:var(--muted);font-size:11px}
.picture .s{fill:var(--muted);font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
.picture .st{fill:var(--accent)}
.picture .l{fill:none;stroke:var(--link);stroke-width:1}
.picture .trunk{stroke-width:1.5}
.picture .memory{fill:none;stroke:var(--ink)}
.picture .gate{stroke:var(--ink);stroke-width:3;fill:none}
.picture .gate.none{stroke:var(--muted);stroke-width:1;stroke-dasharray:2 4}
.picture .m{stroke-width:1.5;fill:var(--bg)}
.picture .m.live{fill:var(--live);stroke:var(--live)}
.picture .m.open{stroke:var(--open)}
.picture .m.quiet{stroke:var(--quiet)}
.picture .m.unknown{stroke:var(--unknown)}
.picture .root{fill:var(--ink)}
.picture .q{font-size:8px;fill:var(--unknown)}
.picture text.live{fill:var(--live);font-weight:600}
.picture text.open{fill:var(--open)}
.picture text.quiet{fill:var(--quiet)}
.picture text.unknown{fill:var(--unknown)}
`.trim();
