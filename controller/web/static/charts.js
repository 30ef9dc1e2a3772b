// The pulses: energy by both monitors and width against their windows, the trend, and the last ones as a table.
/* global uPlot */

import { $, el, head, number, put } from "./dom.js";
import { energyWindow, flags, widthWindow } from "./picture.js";
import { book, t } from "./words.js";

const SHOWN = 8;
const TREND = 20;
const DRAW_MS = 500; // what the charts are for is the trend; the newest pulse stands in the table at once
const HEIGHT = 130;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// One chart over pulse numbers; `lines` are [label, colour variable, dash?, points?].
export function chart(node, title, unit, lines) {
  node.replaceChildren();
  node.resized?.disconnect();
  node.role = "img"; // the table says the same to whoever does not see
  node.ariaLabel = title;
  const ink = colour("--dim");
  const grid = { stroke: colour("--line"), width: 1 };
  const plot = new uPlot({
    title: `${title} (${unit})`,
    width: Math.max(node.clientWidth, 200),
    height: HEIGHT,
    scales: { x: { time: false } },
    legend: { live: false },
    cursor: { show: false },
    axes: [
      { stroke: ink, grid, ticks: grid, size: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
      { stroke: ink, grid, ticks: grid, size: 46 },
    ],
    series: [{ label: t("pulses.number") }, ...lines.map(([label, name, dash, points]) => ({
      label, stroke: colour(name), width: 1.5, dash,
      points: { show: points ? undefined : false, size: 5, stroke: colour(name), fill: points === "hollow" ? colour("--card") : colour(name) },
    }))],
  }, [[], ...lines.map(() => [])], node);
  node.resized = new ResizeObserver(() => plot.setSize({ width: Math.max(node.clientWidth, 200), height: HEIGHT }));
  node.resized.observe(node);
  return plot;
}

// Lines differ by their dashes too: colour is never the only sign.
const LIMIT = [10, 5];
const DOTS = [2, 3];
const bounds = () => [[t("pulses.limits"), "--window", LIMIT], [t("pulses.limits"), "--window", LIMIT]];

export const energyChart = (node) => chart(node, t("pulses.energy"), "mJ",
  [[t("pulses.a"), "--energy-a", DOTS, "hollow"], [t("pulses.b"), "--energy-b", undefined, "full"], ...bounds()]);

export const energyData = (pulses) => {
  const windows = pulses.map(energyWindow);
  return [pulses.map((one) => one.pulse_number), pulses.map((one) => one.monitor_a_mj), pulses.map((one) => one.monitor_b_mj),
    windows.map((one) => one?.[1] ?? null), windows.map((one) => one?.[0] ?? null)];
};

export class Charts {
  constructor(picture) {
    this.picture = picture;
    this.drawnAt = -Infinity;
    this.drawn = null;
    this.listed = undefined; // the newest pulse in the table
    this.later = null;
    head($("last"), [t("pulses.number"), "A mJ", "B mJ", t("pulses.window"), "ps", t("pulses.window"), t("pulses.verdict")]);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
    this.make();
  }

  make() {
    this.energy = energyChart($("chart-energy"));
    this.width = chart($("chart-width"), t("pulses.width"), "ps", [[t("pulses.width"), "--energy-b", undefined, "full"], ...bounds()]);
    this.drawn = null;
    this.draw();
  }

  draw() {
    const { pulses } = this.picture;
    this.table(pulses);
    if (pulses.at(-1) === this.drawn) return;
    const waitMs = this.drawnAt + DRAW_MS - performance.now();
    if (waitMs > 0) {
      this.later ??= setTimeout(() => { this.later = null; this.draw(); }, waitMs);
      return;
    }
    this.drawn = pulses.at(-1);
    if (pulses.length) this.drawnAt = performance.now();
    const windows = pulses.map(widthWindow);
    this.energy.setData(energyData(pulses));
    this.width.setData([pulses.map((one) => one.pulse_number), pulses.map((one) => one.pulse_width_ps), windows.map((one) => one?.[1] ?? null), windows.map((one) => one?.[0] ?? null)]);
    this.trend(pulses);
  }

  trend(pulses) {
    const measured = pulses.filter((one) => energyWindow(one) !== null && typeof one.monitor_b_mj === "number" && !flags(one).includes("shutter_closed")).slice(-TREND);
    const mean = measured.reduce((sum, one) => sum + 100 * one.monitor_b_mj / one.set_energy_mj, 0) / measured.length;
    put($("trend"), pulses.length === 0 ? t("pulses.none") : measured.length ? t("pulses.trend", mean.toFixed(1), measured.length) : "");
  }

  // The newest on top; only what is new is made.
  table(pulses) {
    const rows = $("last").tBodies[0];
    const fresh = pulses.slice(pulses.lastIndexOf(this.listed) + 1).slice(-SHOWN);
    this.listed = pulses.at(-1);
    rows.prepend(...fresh.reverse().map(row));
    while (rows.rows.length > SHOWN) rows.deleteRow(-1);
  }
}

function row(pulse) {
  const energy = energyWindow(pulse);
  const width = widthWindow(pulse);
  const behind = flags(pulse).includes("shutter_closed") ? null : energy;
  const cells = [String(pulse.pulse_number), within(pulse.monitor_a_mj, energy, 1), within(pulse.monitor_b_mj, behind, 1), range(energy, 1),
    within(pulse.pulse_width_ps, width, 0), range(width, 0), verdict(pulse)];
  return el("tr", { className: verdict(pulse) === t("pulses.ok") ? "" : "bad" }, ...cells.map((text) => el("td", {}, text)));
}

const range = (bounds, digits) => (bounds === null ? "-" : `${bounds[0].toFixed(digits)} to ${bounds[1].toFixed(digits)}`);

// What lies outside its window is marked with "!", and so is what cannot be told.
function within(value, bounds, digits) {
  const text = number(value, digits, "-");
  return text === "-" || bounds === null || (value >= bounds[0] && value <= bounds[1]) ? text : `${text} !`;
}

function verdict(pulse) {
  const told = flags(pulse);
  if (told.length === 0) return t("pulses.ok");
  return told.includes("unknown") ? t("pulses.unknown") : told.map((flag) => book().flags[flag] ?? flag).join(", ");
}
