"use strict";
// Draws the charts of a page when they come into view: one specification per kind for the whole site
// (assets/data/charts.js), rows from the page. vega-embed interprets expressions (ast), so no eval is needed.
(() => {
  const { load, held } = window.lmsAudit;
  const figures = [...document.querySelectorAll("figure.chart")];
  if (!figures.length) return;

  const vendored = async () => {
    for (const name of ["vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-embed.min.js", "data/charts.js"]) {
      await load(`assets/${name}`);
    }
  };
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  /** Rows as objects; a table of categories (long) becomes one row per cell. */
  const rowsOf = ({ cols, rows, long }) => long
    ? rows.flatMap(([key, ...values]) => values.map((value, index) => ({ [cols[0]]: key, [long[0]]: cols[index + 1], [long[1]]: value })))
    : rows.map((row) => Object.fromEntries(row.map((value, index) => [cols[index], value])));

  window.lmsAudit.chartRows = (figure) => rowsOf(JSON.parse(figure.querySelector("script").textContent).data);

  const config = () => {
    const text = colour("--md-default-fg-color--light");
    const line = colour("--line");
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent",
      font,
      view: { stroke: null },
      axis: { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 500, labelFontSize: 11, titleFontSize: 11, labelFont: font, titleFont: font },
      legend: { labelColor: text, titleColor: text, labelFontSize: 11, symbolSize: 60, labelLimit: 240 },
      area: { line: false },
    };
  };

  /** Widths are set here: a concatenated chart cannot be as wide as its container by itself. */
  const sized = (spec, width) => {
    if (spec.vconcat) for (const child of spec.vconcat) child.width = width;
    else { spec.width = width; spec.autosize = { type: "fit-x", contains: "padding" }; }
    return spec;
  };

  const coloured = (spec, colours) => {
    const names = Object.keys(colours);
    if (!names.length) return spec;
    const scale = { domain: names, range: names.map((name) => colours[name]) };
    for (const layer of [spec, ...(spec.layer ?? [])]) {
      const channel = layer.encoding?.color;
      if (channel && (channel.field === "kind" || channel.field === "model")) channel.scale = scale;
    }
    return spec;
  };

  /** Bins say how wide a chart is, however few values are in them. */
  const bounded = (spec, rows) => {
    const bins = rows.filter((row) => row.to);
    if (!bins.length) return spec;
    for (const { encoding } of spec.layer ?? []) encoding.x.scale = { ...encoding.x.scale, domain: [bins[0].from, bins.at(-1).to], nice: false };
    return spec;
  };

  const draw = async (figure) => {
    await vendored();
    const view = figure.querySelector(".chart-view");
    const { data, colours } = JSON.parse(figure.querySelector("script").textContent);
    const width = view.clientWidth;
    if (!width) return;
    const plan = structuredClone(held.specs[figure.dataset.kind]);
    const inner = plan.vconcat ? Math.max(120, width - 62) : width;
    const spec = coloured(sized(plan, inner), colours);
    spec.datasets = { rows: rowsOf(data) };
    bounded(spec, spec.datasets.rows);
    const band = spec.usermeta?.rows;  // a band of 20 px for each value of this member
    if (band) spec.height = 20 * new Set(spec.datasets.rows.map((row) => row[band])).size;
    figure.dataset.width = width;
    const { view: drawn } = await window.vegaEmbed(view, spec, { ast: true, renderer: "svg", actions: false, config: config(), tooltip: { theme: "custom" } });
    // the drawing is one image with a label and a table of its rows; its marks are nothing to be read one by one
    view.querySelector("svg").setAttribute("aria-hidden", "true");
    drawn.addEventListener("click", (_, item) => {
      const request = item?.datum?.href;
      if (request) location.hash = `r-${request}`;
    });
    view.classList.add("drawn");
    figure.drawing = drawn;
    figure.dispatchEvent(new Event("chart-drawn", { bubbles: true }));
  };

  let queue = Promise.resolve();
  const later = (figure) => { queue = queue.then(() => draw(figure)).catch((error) => { figure.dataset.error = String(error); console.error(error); }); };
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      later(target);
    }
  }, { rootMargin: "400px" });
  const again = () => { for (const figure of figures) if (figure.dataset.width) later(figure); };

  figures.forEach((figure) => watcher.observe(figure));
  new MutationObserver(again).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  let timer = 0;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (figures.some((figure) => figure.dataset.width && Number(figure.dataset.width) !== figure.querySelector(".chart-view").clientWidth)) again();
    }, 200);
  });
  addEventListener("beforeprint", () => figures.forEach((figure) => { if (!figure.dataset.width) later(figure); }));
})();
