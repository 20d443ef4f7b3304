"use strict";
// Draws the figures, with the page's colours, and again when the reader switches between light and dark.
const figures = JSON.parse(document.getElementById("figures").textContent);
const narrow = matchMedia("(max-width: 40rem)");

function resolved(value, style) {
  if (typeof value === "string") return value.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  if (Array.isArray(value)) return value.map((item) => resolved(item, style));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item, style)]));
  return value;
}

function forPhones(data, layout) {
  layout.dragmode = false; // a finger on the plot scrolls the page
  for (const trace of data) trace.mode = trace.mode.replace("+text", ""); // names would cover one another
  layout.margin = { ...layout.margin, l: 44, r: 8 };
  layout.font = { ...layout.font, size: 12 };
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  for (const [id, figure] of Object.entries(figures)) {
    const { data, layout } = resolved(figure, style);
    if (narrow.matches) forPhones(data, layout);
    const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
    Plotly.react(id, data, layout, { ...config, displayModeBar: narrow.matches ? false : "hover" });
  }
}

// A link to a network opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

draw();
openTarget();
addEventListener("hashchange", openTarget);
narrow.addEventListener("change", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
// Paper has no folds.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
