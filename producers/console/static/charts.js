/* Draws the table of a report as a chart: its first column is the days, its columns of figures are the lines. */
"use strict";
(() => {
  const colours = ["--bar-waiting", "--bar-delivered", "--bar-failed", "--warn", "--soft", "--bad"];

  const draw = (figure) => {
    const table = document.getElementById(figure.dataset.chart);
    if (!table || typeof uPlot === "undefined") return;
    const style = getComputedStyle(document.documentElement);
    const heads = [...table.tHead.rows[0].cells];
    const shown = heads.map((cell, at) => at).filter((at) => heads[at].classList.contains("num"));
    const rows = [...table.tBodies[0].rows];
    const days = rows.map((row) => Date.parse(`${row.cells[0].textContent.trim()}T00:00:00Z`) / 1000);
    const values = shown.map((at) => rows.map((row) => Number(row.cells[at].dataset.value)));
    const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
    const axis = { stroke: style.getPropertyValue("--soft"), grid, ticks: grid, font: "12px system-ui" };
    figure.replaceChildren();
    new uPlot({
      width: figure.clientWidth,
      height: 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      scales: { x: { time: true } },
      axes: [{ ...axis, space: 70, incrs: [1, 2, 7, 14, 30, 90, 365].map((each) => each * 86400), values: (_, ticks) => ticks.map((each) => new Date(each * 1000).toISOString().slice(5, 10)) },
        { ...axis, size: 70, values: (_, ticks) => ticks.map((each) => each.toLocaleString("en")) }],
      series: [{ label: heads[0].textContent.trim(), value: (_, each) => each == null ? "" : new Date(each * 1000).toISOString().slice(0, 10) },
        ...shown.map((at, place) => ({
          label: heads[at].textContent.trim(),
          stroke: style.getPropertyValue(colours[place % colours.length]),
          width: 2,
          dash: place > 2 ? [6, 4] : undefined,
          points: { show: rows.length < 40 },
        }))],
    }, [days, ...values], figure);
  };

  const all = () => { for (const figure of document.querySelectorAll("[data-chart]")) draw(figure); };
  let waiting;
  document.addEventListener("DOMContentLoaded", all);
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(all, 200); });
})();
