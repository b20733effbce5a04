/** What the page's own colors lack. Nothing is told by color alone: every kind of mark has a form of its own. */
export const TIMELINE_COLORS = `
:root{--tl-gate:#10693a;--tl-gated:#dcefe2;--tl-odd:#f4f4f0;--tl-band:#e6e6df;--tl-band-odd:#dbdbd3;--tl-is:#c9dcf4;--tl-after:#ececE8;--tl-work:#6a7079;--tl-irq:#6a3d9c}
@media (prefers-color-scheme:dark){:root{--tl-gate:#6fd397;--tl-gated:#183524;--tl-odd:#1b1e22;--tl-band:#282c32;--tl-band-odd:#32373e;--tl-is:#274a75;--tl-after:#202327;--tl-work:#9aa1aa;--tl-irq:#c9aef2}}
`.trim();

const MONO = 'ui-monospace,"SF Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace';

/** For what is drawn, in a page and in a picture of its own. */
export const JUMP_PICTURE_STYLE = `
.tl-svg{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans","DejaVu Sans",sans-serif;fill:var(--ink)}
.tl-svg .tl-ground{fill:var(--bg)}
.tl-stage rect{fill:none;pointer-events:none}
.tl-stage.tl-odd rect{fill:var(--tl-odd)}
.tl-stage rect.tl-band{fill:var(--tl-band);pointer-events:auto}
.tl-stage.tl-odd rect.tl-band{fill:var(--tl-band-odd)}
.tl-stage.tl-is rect.tl-band{fill:var(--tl-is)}
.tl-stage text{pointer-events:none}
.tl-stage.tl-is text{font-weight:700}
.tl-slot{font-family:${MONO}}
.tl-note,.tl-total{fill:var(--muted);font-size:10px}
.tl-branch{stroke:var(--muted);fill:none}
.tl-base{stroke:var(--line);pointer-events:none}
.tl-gated rect{fill:var(--tl-gated);stroke:var(--tl-gate);stroke-width:.7;stroke-dasharray:3 2;pointer-events:none}
.tl-after rect{fill:var(--tl-after);fill-opacity:.85;pointer-events:none}
.tl-after text{fill:var(--live);font-weight:700}
.tl-jump{stroke:var(--ink);stroke-width:1.5;pointer-events:none}
.tl-axis line{stroke:var(--muted)}
.tl-axis text{fill:var(--muted);font-size:10px}
.tl-axis .tl-zero{fill:var(--ink);font-weight:700}
.tl-cursor{stroke:var(--accent);stroke-width:2;pointer-events:none}
.tl-to{stroke:var(--live);stroke-width:1;stroke-dasharray:2 2;fill:none}
.tl-mark{fill:none;stroke:var(--c);stroke-width:1.3}
.tl-mark .tl-bar{fill:var(--c);fill-opacity:.5;stroke:none}
.tl-filled .tl-glyph{fill:var(--c);stroke:var(--bg);stroke-width:.8}
.tl-k-work,.tl-k-config,.tl-k-driver,.tl-k-dump{--c:var(--tl-work)}
.tl-k-interrupt{--c:var(--tl-irq)}
.tl-k-stray{--c:var(--warn)}
.tl-k-hit,.tl-k-hang,.tl-k-error,.tl-k-storm,.tl-k-lost{--c:var(--live)}
.tl-k-error,.tl-k-storm,.tl-k-lost{stroke-width:1.7}
.tl-k-refused,.tl-k-stopped,.tl-k-gate{--c:var(--tl-gate)}
.tl-k-open{--c:var(--accent)}
.tl-k-hit .tl-glyph{stroke:var(--c);stroke-width:.5}
.tl-k-hang .tl-glyph{stroke-width:1.6}
`.trim();

/** For the page around the pictures. */
export const TIMELINE_STYLE = `
${TIMELINE_COLORS}
${JUMP_PICTURE_STYLE}
.tl{margin:0 0 2.5rem}
.tl-scroll{overflow-x:auto;border:1px solid var(--line);border-radius:4px;margin:.4rem 0}
.tl-wide{display:flex;align-items:start;width:100%;min-width:820px}
.tl-wide svg{flex:none;display:block;width:100%;height:auto}
.tl-wide .tl-names{position:sticky;left:0;width:15.8333%;margin-right:-15.8333%;background:var(--bg)}
.tl-links{list-style:none;margin:0 0 .75rem;padding:0}
@media (min-width:56rem){.tl-scroll::after,.tl-scroll::before{content:none!important}}
.tl-story>h4{margin:1rem 0 0;font-size:1rem;font-weight:400}
.tl-story>h4 b{font-weight:700}
.tl-bad{color:var(--live);font-weight:700}
.tl-good{color:var(--tl-gate);font-weight:700}
.tl-story>p,.tl-words{margin:.1rem 0;color:var(--muted);max-width:80ch}
.tl-controls{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;position:sticky;top:0;z-index:2;background:var(--bg);padding:.4rem 0;border-bottom:1px solid var(--line)}
.tl-controls label{display:inline-flex;gap:.4rem;align-items:center}
.tl-controls button,.tl-controls select,.tl-clear{font:inherit;color:var(--ink);background:var(--raised);border:1px solid var(--muted);border-radius:3px;padding:.15rem .6rem;min-height:1.9rem}
.tl-slide{flex:1 1 100%;padding:0 calc(12.5% - 8px) 0 calc(16.46% - 8px)}
.tl-slide input{width:100%;accent-color:var(--accent);margin:.2rem 0}
.tl-at{font-variant-numeric:tabular-nums;min-width:8ch;font-weight:700}
.tl-now{display:grid;grid-template-columns:max-content 1fr;gap:.05rem .9rem;margin:.3rem 0;padding:.4rem .7rem;background:var(--raised);border-radius:4px;min-height:7.6em;align-content:start}
.tl-now dt{color:var(--muted)}
.tl-now dd{margin:0;min-width:0;overflow-wrap:anywhere}
.tl-legend{display:flex;flex-wrap:wrap;gap:.15rem 1rem;list-style:none;margin:.3rem 0;padding:0;font-size:.85rem}
.tl-legend li{display:inline-flex;align-items:center;gap:.3rem}
.tl-legend svg,.tl-kind svg{overflow:visible;width:20px;height:18px;flex:none}
.tl-stories.tl-pair .tl-told{display:inline-block}
.tl-lists{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:0 2rem;align-items:start}
.tl-list{width:100%;border-collapse:collapse;font-size:.86rem;line-height:1.35}
.tl-list caption{text-align:left;font-weight:700;padding:.3rem 0}
.tl-list th,.tl-list td{text-align:left;vertical-align:top;padding:.1rem .5rem .1rem 0;font-weight:400}
.tl-list thead th{color:var(--muted);font-size:.8rem}
.tl-list .tl-ms{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.tl-list .tl-who{font-family:${MONO};font-size:.92em}
.tl-list td:last-child{overflow-wrap:anywhere}
.tl-list tr.tl-r-stage th,.tl-list tr.tl-r-stage td{border-top:1px solid var(--line);color:var(--muted)}
.tl-list tr.tl-r-hit td:last-child,.tl-list tr.tl-r-hang td:last-child,.tl-list tr.tl-r-lost td:last-child,.tl-list tr.tl-r-storm td:last-child{color:var(--live);font-weight:600}
.tl-list tr.tl-r-gate td:last-child{color:var(--tl-gate);font-weight:600}
.tl-live .tl-list tr.tl-yet td:last-child,.tl-live .tl-list tr.tl-yet td.tl-who{color:var(--muted);font-weight:400}
.tl-live .tl-list tr.tl-yet svg{opacity:.55}
.tl-live .tl-list tr.tl-last{box-shadow:inset 3px 0 0 var(--accent);background:var(--raised)}
.tl-go{font:inherit;color:var(--accent);background:none;border:0;padding:0 .15rem;cursor:pointer;text-decoration:underline;text-underline-offset:2px;font-variant-numeric:tabular-nums}
.tl details>summary{cursor:pointer;padding:.3rem 0}
.tl :focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media (max-width:54rem){.tl-slide{padding:0}}
@media (max-width:40rem){.tl-controls{position:static}.tl-now{gap:.05rem .5rem;padding:.4rem .5rem;font-size:.9em}.tl-list{font-size:.82rem}.tl-list .tl-who{font-size:.88em}}
@media print{.tl-controls,.tl-now{display:none}.tl-scroll{overflow:visible}.tl-wide{min-width:0}}
`.trim();
