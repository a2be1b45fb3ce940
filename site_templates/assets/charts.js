"use strict";
// Draws the charts of a page: each <figure class="chart"> holds a specification as JSON. Colours are written as names
// and taken from the page's CSS variables, so that one specification serves light and dark. Charts are drawn when they
// come near the view and again when the colour scheme changes. Nothing is fetched, nothing is evaluated as code.
(() => {
  const NAMES = {
    accent: "--audit-accent", soft: "--audit-soft", muted: "--audit-muted", strong: "--audit-strong",
    prompt: "--audit-prompt", answer: "--audit-answer", bad: "--audit-bad",
    "ramp-0": "--audit-ramp-0", "ramp-1": "--audit-ramp-1",
  };
  const KINDS = 8;
  for (let n = 0; n < KINDS; n += 1) NAMES[`kind-${n}`] = `--audit-kind-${n}`;

  const colours = () => {
    const style = getComputedStyle(document.body);
    const read = (name) => style.getPropertyValue(name).trim();
    const found = {};
    for (const [name, variable] of Object.entries(NAMES)) found[name] = read(variable) || "#888888";
    found.text = read("--md-default-fg-color--light") || "#666666";
    found.grid = read("--md-default-fg-color--lightest") || "#dddddd";
    return found;
  };

  const COLOUR_KEYS = new Set(["color", "fill", "stroke", "value", "range"]);
  const painted = (value, palette, key) => {
    if (Array.isArray(value)) return value.map((item) => painted(item, palette, key));
    if (value && typeof value === "object") {
      const copy = {};
      for (const [name, inner] of Object.entries(value)) {
        if (name === "datasets") copy[name] = inner;
        else copy[name] = painted(inner, palette, name);
      }
      return copy;
    }
    return COLOUR_KEYS.has(key) && typeof value === "string" && value in palette ? palette[value] : value;
  };

  const config = (palette) => ({
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily,
    view: {stroke: null},
    axis: {
      labelColor: palette.text, titleColor: palette.text, gridColor: palette.grid, domainColor: palette.grid,
      tickColor: palette.grid, labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", domain: false,
    },
    legend: {labelColor: palette.text, titleColor: palette.text, labelFontSize: 11, symbolType: "square"},
    range: {category: Array.from({length: KINDS}, (_, n) => palette[`kind-${n}`])},
  });

  const draw = async (figure) => {
    const view = figure.querySelector(".chart__view");
    const source = figure.querySelector('script[type="application/json"]');
    if (!view || !source || typeof vegaEmbed !== "function") return;
    if (figure.auditView) { figure.auditView.finalize(); figure.auditView = null; }
    const palette = colours();
    const spec = painted(JSON.parse(source.textContent), palette);
    try {
      const result = await vegaEmbed(view, spec, {
        ast: true, renderer: "svg", actions: false, config: config(palette),
        loader: {target: "_self"}, tooltip: {theme: "custom"},
      });
      figure.auditView = result;
      figure.dataset.drawn = "yes";
    } catch (error) {
      figure.dataset.drawn = "no";
      view.textContent = "This chart could not be drawn; its figures stand in the table below.";
      console.error(error);
    }
  };

  const start = () => {
    const figures = [...document.querySelectorAll("figure.chart")];
    if (!figures.length) return;
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        draw(entry.target);
      }
    }, {rootMargin: "400px"});
    for (const figure of figures) near.observe(figure);
    new MutationObserver(() => {
      for (const figure of figures) if (figure.dataset.drawn) draw(figure);
    }).observe(document.body, {attributes: true, attributeFilter: ["data-md-color-scheme"]});
    window.addEventListener("beforeprint", () => {
      for (const figure of figures) if (!figure.dataset.drawn) draw(figure);
    });
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
