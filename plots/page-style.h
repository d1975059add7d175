// SPDX-License-Identifier: MIT
// The look of the page: it stands inside the page, which is one file that works offline.
#ifndef HEDDLE_PAGE_STYLE_H
#define HEDDLE_PAGE_STYLE_H

static const char page_style[] =
    ":root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#1f2328;--soft:#59636e;--line:#d8dde3;"
    "--accent:#0b5fa5;--bad:#b3261e;--bad-paper:#fdecea;--model:#6a51a3;--model-paper:#f3effb;--warn:#8a5a00}"
    "\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--card:#161b22;--ink:#d8dee6;--soft:#9aa4b0;"
    "--line:#2c333c;--accent:#6cb6ff;--bad:#ff8a80;--bad-paper:#3a1d1d;--model:#b7a5f0;--model-paper:#231f36;"
    "--warn:#e0b050}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:1060px;padding:28px 24px 80px;background:var(--paper);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI','DejaVu Sans',Verdana,sans-serif}\n"
    "h1{font-size:28px;margin:0 0 4px}h2{font-size:21px;margin:44px 0 4px;padding-top:14px;"
    "border-top:1px solid var(--line)}h3{font-size:16px;margin:22px 0 6px}\n"
    "a{color:var(--accent)}p{margin:6px 0 "
    "10px}.soft{color:var(--soft)}.bad{color:var(--bad)}.warn{color:var(--warn)}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px "
    "16px;margin:12px 0;"
    "overflow-x:auto}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px "
    "18px;margin:0}dt{color:var(--soft)}dd{margin:0;"
    "overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}\n"
    "th{text-align:left;color:var(--soft);font-weight:600;border-bottom:1px solid var(--line);"
    "vertical-align:bottom}\n"
    "th,td{padding:4px 12px 4px 0;white-space:nowrap}td{border-bottom:1px solid "
    "var(--line);vertical-align:top}\n"
    "tr:last-child "
    "td{border-bottom:0}.n{text-align:right}.why{color:var(--soft);font-size:12px;white-space:normal;"
    "min-width:15em;max-width:30em}.n "
    ".why{min-width:0;white-space:nowrap}.wrap{white-space:normal;min-width:9em}\n"
    "tr.model td{background:var(--model-paper)}tr.failed td{background:var(--bad-paper);color:var(--bad)}\n"
    ".badge{display:inline-block;border:1px solid currentColor;border-radius:9px;padding:0 "
    "7px;font-size:11.5px;"
    "line-height:16px;color:var(--model)}\n"
    "figure{margin:18px 0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px "
    "12px}"
    "figure "
    "img{display:block;width:100%;height:auto}figcaption{color:var(--soft);font-size:13px;margin-top:8px}\n"
    "details{margin:8px 0}summary{cursor:pointer;color:var(--accent)}\n"
    ".notice{border-left:4px solid var(--warn);padding:8px 14px;background:var(--card);margin:14px 0}\n"
    "@media print{body{max-width:none}figure,.card{break-inside:avoid}}\n";

#endif
