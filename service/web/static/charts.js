// Draws each [data-chart]: one JSON, from which the picture and the table beside it are made.
"use strict";

(() => {
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(name).trim();
  const palette = ["--green", "--withheld", "--red", "--soft"].map(colour).concat("#3b6ea5", "#7a5aa6", "#2a8f8f", "#a05a7a");
  const english = document.documentElement.lang === "en";
  const words = english
    ? { none: "Nothing to show for this period.", failed: "The chart could not be loaded.", withheld: "withheld" }
    : { none: "这个时段没有可显示的数据。", failed: "图表没有加载成功。", withheld: "未公布" };

  function table(place, data) {
    const made = document.createElement("table");
    const caption = made.createCaption();
    caption.textContent = data.title;
    const head = made.createTHead().insertRow();
    for (const text of [data.axis ?? "", ...data.series.map((one) => one.name)]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = text;
      head.append(cell);
    }
    const body = made.createTBody();
    data.labels.forEach((label, at) => {
      const row = body.insertRow();
      const cell = document.createElement("th");
      cell.scope = "row";
      cell.textContent = label;
      row.append(cell);
      for (const one of data.series) {
        const value = row.insertCell();
        value.className = "number";
        value.textContent = one.values[at] === null ? words.withheld : one.values[at].toLocaleString(document.documentElement.lang);
      }
    });
    place.replaceChildren(made);
  }

  function option(data) {
    const kind = data.kind ?? "bar";
    const text = { color: colour("--ink"), fontFamily: "inherit" };
    const line = { lineStyle: { color: colour("--rule") } };
    // Names of things lie beside their bars; points in time below them.
    const beside = data.across ? { width: 120, overflow: "truncate", interval: 0 } : {};
    const category = {
      type: "category",
      data: data.labels,
      inverse: Boolean(data.across),
      axisLine: line,
      axisLabel: { color: text.color, hideOverlap: !data.across, ...beside },
    };
    const unit = data.across ? "" : data.unit;
    const value = { type: "value", name: unit, nameTextStyle: text, splitLine: line, axisLabel: { color: text.color } };
    return {
      animation: false,
      color: palette,
      textStyle: text,
      aria: { enabled: false },
      grid: { left: 8, right: 16, top: 48, bottom: 8, containLabel: true },
      legend: { top: 0, left: 0, textStyle: text, type: "scroll", show: data.series.length > 1 },
      // Rich text is drawn on the canvas: markup of the tooltip's own would need inline styles.
      tooltip: { trigger: "axis", renderMode: "richText", confine: true },
      xAxis: data.across ? value : category,
      yAxis: data.across ? category : value,
      series: data.series.map((one) => ({
        name: one.name,
        type: kind,
        stack: data.stacked ? "all" : undefined,
        data: one.values,
        connectNulls: false,
        barMaxWidth: 36,
        symbolSize: 6,
      })),
    };
  }

  async function draw(figure) {
    const canvas = figure.querySelector(".canvas");
    try {
      const answer = await fetch(figure.dataset.chart, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status);
      const data = await answer.json();
      if (!data.labels.length) {
        canvas.textContent = words.none;
        figure.querySelector("details").hidden = true;
        figure.dataset.drawn = "empty";
        return;
      }
      const chart = echarts.init(canvas, null, { renderer: "svg" });
      chart.setOption(option(data));
      new ResizeObserver(() => chart.resize()).observe(canvas);
      table(figure.querySelector(".table"), data);
      figure.dataset.drawn = "yes";
    } catch {
      canvas.textContent = words.failed;
      figure.querySelector("details").hidden = true;
      figure.dataset.drawn = "failed";
    }
  }
  for (const figure of document.querySelectorAll("[data-chart]")) draw(figure);
})();
