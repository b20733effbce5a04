const LEVELS = Array.from(
  { length: 11 },
  (_, level) =>
    `.tree tr[data-l="${level + 2}"]>th{padding-left:${(1.1 + (level + 1) * 0.85).toFixed(2)}rem}`,
).join('\n');

/** Of the table of functions, its filter, and the way of the one that is chosen. */
export const TREE_STYLE = `
#filter{display:flex;flex-wrap:wrap;gap:.5rem .9rem;align-items:end;margin-bottom:.75rem}
#filter[hidden]{display:none}
#filter label{display:block;color:var(--muted);font-size:.86em;max-width:100%}
#filter input,#filter select,#filter button{display:block;font:inherit;font-size:1rem;line-height:1.4;color:var(--ink);background:var(--bg);border:1px solid var(--muted);border-radius:2px;padding:.2rem .4rem;max-width:14rem}
#filter .wide{flex:1 1 14rem;max-width:22rem}
#filter .wide input{width:100%;max-width:none}
#filter .buttons{display:flex;gap:.4rem;margin:0}
#filter button{background:var(--raised);cursor:pointer}
#filter output{flex:1 0 100%;color:var(--muted)}
.tree,.tree thead,.tree tbody{display:block;width:100%}
.tree tr{--row:1.75rem;padding-right:.4rem;display:grid;grid-template-columns:13.5rem 6.2rem 6rem 9rem minmax(0,1fr) 7rem 9rem 4.4rem 5.4rem;column-gap:.8rem;line-height:var(--row);border-bottom:1px solid var(--line)}
.many tbody tr{content-visibility:auto;contain-intrinsic-block-size:auto var(--row)}
.nogroup tr{grid-template-columns:13.5rem 6.2rem 6rem 9rem minmax(0,1fr) 7rem 9rem 0 5.4rem}
.tree tr[hidden]{display:none}
.tree thead{position:sticky;top:0;background:var(--bg);z-index:1}
.tree thead th{color:var(--muted);font-size:.86em;font-weight:400;text-align:left;padding:0}
.tree thead th:nth-child(n+8){text-align:right}
.tree th,.tree td{padding:0;min-width:0;font-weight:400;text-align:left;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.tree .num{text-align:right}
.tree tr>*{grid-row:1}
${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `.tree tr>:nth-child(${n}){grid-column:${n}}`).join('')}
.tree tbody th{position:relative;padding-left:1.1rem}
${LEVELS}
.tree tr:not(.root):not(.alike)>th{unicode-bidi:isolate}
.tree tr.root>th,.tree tr.root>td{color:var(--muted)}
.tree tr>.below{grid-column:2/-1}
.v::before{display:inline-block;width:1.2em}
.v.live{color:var(--live);font-weight:600}.v.live::before{content:"▲"}
.v.open{color:var(--open)}.v.open::before{content:"◇"}
.v.quiet{color:var(--quiet)}.v.quiet::before{content:"○"}
.v.unknown{color:var(--unknown)}.v.unknown::before{content:"□"}
.tree tr>.more{grid-column:1/-1;align-self:start;overflow:visible;pointer-events:none;white-space:normal}
.ev>summary{width:5.4rem;white-space:nowrap;margin-left:auto;padding:0;text-align:right;color:var(--accent);font-size:.93em;line-height:var(--row);pointer-events:auto;list-style:none}
.ev>summary::-webkit-details-marker{display:none}
.ev>summary::after{content:" ▸"}
.ev[open]>summary::after{content:" ▾"}
.ev dl{display:grid;grid-template-columns:8rem minmax(0,1fr);column-gap:1rem;margin:.4rem 0 1rem 6px;padding:.6rem 1rem;line-height:1.5;background:var(--raised);pointer-events:auto;overflow-wrap:anywhere}
.ev dt{color:var(--muted);font-size:.93em}
.ev dd{margin:0}
.members{columns:15rem;list-style:none;margin:0 0 1rem;padding:0 1rem;line-height:1.5;pointer-events:auto;color:var(--muted);font-size:.93em}
.js .tree tbody tr{cursor:default}
.tree tr[aria-expanded]>th::before{position:absolute;margin-left:-1.05rem;content:"▾";color:var(--muted);font-family:var(--sans);cursor:pointer}
.tree tr[aria-expanded=false]>th::before{content:"▸"}
.tree tbody tr:focus-visible{outline-offset:-2px}
.tree tr.on{box-shadow:inset 3px 0 var(--accent)}
.tree tr[aria-selected=true]{background:var(--raised);box-shadow:inset 6px 0 var(--accent)}
.tree .hit{background:var(--raised);outline:1px solid var(--accent)}
.picture .on.l{stroke:var(--accent);stroke-width:2.5}
.picture .on>text:first-of-type{fill:var(--accent);font-weight:700;text-decoration:underline}
.js .picture g{cursor:pointer}
#way{position:sticky;bottom:0;margin:.75rem 0 0;padding:.5rem .75rem;max-width:none;background:var(--raised);border-top:2px solid var(--accent)}
@media (max-width:1180px){
.tree tr{grid-template-columns:minmax(0,1fr) 6.2rem 6rem 9rem 7.5rem 4.4rem 5.4rem}
.tree tr>.dev{grid-column:1/5;grid-row:2;padding-left:1.1rem}
.tree tr>.pol{grid-column:5/-1;grid-row:2;text-align:right}
.tree tr>:nth-child(6){grid-column:5}.tree tr>:nth-child(8){grid-column:6}.tree tr>:nth-child(9){grid-column:7}
.tree tr>.below{grid-column:2/-1}
.tree tbody tr:not(.root){grid-template-rows:var(--row) minmax(var(--row),auto)}
.tree tr>.more{grid-column:1/-1;grid-row:1/3}
.tree thead th:nth-child(5),.tree thead th:nth-child(7){display:none}
.nogroup tr{grid-template-columns:minmax(0,1fr) 6.2rem 6rem 9rem 7.5rem 0 5.4rem}
.ev[open] dl{margin-top:calc(var(--row) + .4rem)}
.many tbody tr{contain-intrinsic-block-size:auto calc(2*var(--row))}
}
@media (max-width:720px){
.tree thead{position:absolute;left:-999rem}
.tree tr{display:flex;flex-wrap:wrap;line-height:1.55;padding:.35rem 0;column-gap:.9rem}
.tree th,.tree td{white-space:normal}
.tree tbody th{flex:0 0 auto}
.tree .dev,.tree .below{flex:1 0 100%;padding-left:1.1rem}
.tree td:empty{display:none}
.tree .find{flex:1 0 100%}
.tree .find,.tree .drv{padding-left:1.1rem}
.tree .pol,.tree .num{padding-left:0;text-align:left}
.tree .v{padding-right:.3rem}
.tree td.more{flex:1 0 100%;padding-left:1.1rem}
.ev>summary{margin:0;text-align:left;pointer-events:auto}
.ev dl{grid-template-columns:1fr;margin-left:-1.1rem}
.ev[open] dl{margin-top:.4rem}
.ev dd{margin-bottom:.35rem}
}
@media print{.tree tr{content-visibility:visible}.tree thead{position:static}.ev:not([open]){display:none}}
`.trim();
