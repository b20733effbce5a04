/** Of everything on a page but its tree, its picture and the timeline. */
export const PAGE_STYLE = `
:root{--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;--mono:ui-monospace,"SF Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
*{box-sizing:border-box}
html{background:var(--bg);color:var(--ink);font:15px/1.5 var(--sans);-webkit-text-size-adjust:100%;scroll-padding-top:3rem}
body{margin:0 auto;max-width:90rem;padding:2rem 1.5rem 4rem;overflow-wrap:break-word}
h1{font-size:1.9rem;line-height:1.2;font-weight:600;letter-spacing:-.015em;margin:.25rem 0 .6rem;max-width:30em;text-wrap:balance}
h2{font-size:1.2rem;line-height:1.3;font-weight:600;margin:3rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--line)}
p{margin:0 0 .75rem;max-width:46rem}
a{color:var(--accent);text-underline-offset:.15em;text-decoration-thickness:1px}
a.n,.find a,.sev{text-decoration-line:none}
a.n:hover,a.sev:hover{text-decoration-line:underline}
b{font-weight:600}
small{font-size:.86em;color:var(--muted)}
summary{cursor:pointer}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.n{font-family:var(--mono);font-size:.875em;unicode-bidi:isolate}
.num{text-align:right;font-variant-numeric:tabular-nums}
code{font-family:var(--mono);font-size:.875em}
.brand{font-weight:600;color:var(--muted);margin:0}
.lead{max-width:52rem}
.about,.where{color:var(--muted)}
.about{max-width:60rem}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--bg);padding:.25rem .5rem}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1.25rem 0}
.facts dt{color:var(--muted);font-size:.86em}
.facts dd{margin:0;unicode-bidi:isolate;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:0 1.25rem}
nav a{padding:.25rem 0}
.sev{font-size:.86em;font-weight:600;white-space:nowrap}
.sev.error{color:var(--live)}
.sev.warning{color:var(--warn)}
.sev.info{color:var(--muted);font-weight:400}
.finding{border-bottom:1px solid var(--line)}
.finding>summary{padding:.45rem 0;display:grid;grid-template-columns:4.5rem 3.5rem auto 1fr;column-gap:.5rem;align-items:baseline}
.finding>summary::-webkit-details-marker{display:none}
.finding>summary b{font-weight:500}
.finding>summary .where::after{content:" ▸"}
.finding[open]>summary .where::after{content:" ▾"}
.finding .body{padding:.1rem 0 1rem 9rem}
.finding ul{list-style:none;margin:0 0 .75rem;padding:0}
.cases li{display:grid;grid-template-columns:8rem 1fr;column-gap:1rem}
.hazards{color:var(--muted);font-size:.93em}
.hazards a{overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 -1.5rem 1rem;padding-left:1.5rem}
.scroll,.tl-scroll{display:flex}
.scroll>*,.tl-scroll>*{flex:none}
.scroll::after,.scroll::before,.tl-scroll::after,.tl-scroll::before{content:"";flex:0 0 .9rem;order:1;pointer-events:none}
.scroll::after,.tl-scroll::after{position:sticky;right:0;background:linear-gradient(to left,var(--link),transparent)}
.scroll::before,.tl-scroll::before{order:2;position:relative;z-index:1;margin-left:-.9rem;background:var(--bg)}
.legend span{white-space:nowrap}
.legend svg{vertical-align:-1px}
.legend b{color:var(--ink)}
table.plain{border-collapse:collapse;width:100%;margin:.5rem 0 1.25rem}
.plain caption{text-align:left;font-weight:600;padding:.75rem 0 .25rem}
.plain th,.plain td{text-align:left;vertical-align:baseline;padding:.3rem 1.25rem .3rem 0;border-bottom:1px solid var(--line);font-weight:400}
.plain thead th{color:var(--muted);font-size:.86em}
.plain th.num{text-align:right;white-space:nowrap}
.steps th:first-child{width:5.5rem;text-align:right}
.steps td:nth-child(2){width:15rem}
.steps td:nth-child(3){width:16rem}
.slots a{white-space:nowrap;margin-right:.5em}
details>summary{padding:.2rem 0}
footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--muted);font-size:.93em}
@media (max-width:720px){
body{padding:1.25rem 1rem 3rem}
h1{font-size:1.5rem}
.scroll{margin:0 -1rem 1rem;padding-left:1rem}
.finding>summary{grid-template-columns:auto auto 1fr}
.finding>summary b,.finding>summary .where{grid-column:1/-1}
.finding .body{padding-left:0}
.cases li{grid-template-columns:1fr}
.plain thead{position:absolute;left:-999rem}
.plain,.plain caption,.plain tbody,.plain tr,.plain th,.plain td{display:block;width:auto!important}
.plain tr{border-bottom:1px solid var(--line);padding:.4rem 0}
.plain th,.plain td{border:0;padding:0}
.plain th.num{text-align:left!important;font-weight:600}
.plain td[data-label]::before,.tree td[data-label]:not(:empty)::before{content:attr(data-label) " ";color:var(--muted);font:.93em var(--sans)}
}
@media print{
html{font-size:9.5pt;background:none}
body{max-width:none;padding:0}
nav,.skip,#filter,#way{display:none!important}
.finding,tr{break-inside:avoid}
.scroll{overflow:visible}
.scroll::after,.scroll::before,.tl-scroll::after,.tl-scroll::before{content:none}
.picture{max-width:100%;height:auto}
details::details-content{content-visibility:visible;display:block}
details.ev:not([open])::details-content{display:none}
}
`.trim();
