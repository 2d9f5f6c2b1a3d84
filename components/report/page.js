"use strict";
const options = { responsive: true, displayModeBar: false };
const waiting = new Map();
const drawn = [];

function draw(element) {
  const script = waiting.get(element);
  if (!script) return;
  waiting.delete(element);
  drawn.push(element);
  const { data, layout } = JSON.parse(script.textContent);
  Plotly.newPlot(element, data, layout, options);
  if (/^plot-(tradeoff|trials)/.test(element.id)) element.on("plotly_click", pick);
}

const theme = document.getElementById("theme");
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
});

const trial = document.getElementById("trial");
const commands = trial ? JSON.parse(document.getElementById("commands").textContent) : {};
const command = document.getElementById("command");
const copied = document.getElementById("copied");

function show() {
  command.textContent = commands[trial.value];
  copied.textContent = "";
}

function pick({ points }) {
  const picked = String(points[0].customdata ?? points[0].data.name.replace("trial ", ""));
  if (!(picked in commands)) return;
  trial.value = picked;
  show();
}

if (trial) {
  trial.addEventListener("change", show);
  show();
  document.getElementById("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      copied.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(command);
      copied.textContent = "Selected: copy it with the keyboard.";
    }
  });
}

// A figure is drawn when it comes near the window: all at once would hold the page for seconds.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    draw(target);
  }
}, { rootMargin: "600px" });
for (const script of document.querySelectorAll("script[data-for]")) {
  const element = document.getElementById(script.dataset.for);
  waiting.set(element, script);
  watcher.observe(element);
}

// Plotly draws to the width it finds; paper is narrower than most windows.
const PAPER_PIXELS = 660;
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const element of [...waiting.keys()]) draw(element);
  for (const plot of drawn) Plotly.relayout(plot, { width: PAPER_PIXELS });
});
addEventListener("afterprint", () => {
  for (const plot of drawn) Plotly.relayout(plot, { width: null, autosize: true });
});
