"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const page = document.getElementById("page");
  const charts = [];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const palette = ["#2f6f4f", "#9a6b3f", "#4a6fa5", "#a14f7a", "#7a8b2f", "#2f8a8a", "#b3402e", "#6b5aa8", "#c09a2b", "#5b6b73"];

  // Text reaches the page as text only: names come from files that others wrote.
  const element = (tag, options = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(options)) {
      if (key === "class") node.className = value;
      else if (key === "style") node.style.cssText = value;
      else node.setAttribute(key, value);
    }
    for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
    return node;
  };
  const section = (title, width, ...children) => page.append(element("section", {class: width}, element("h2", {}, title), ...children));
  const note = (text) => element("p", {class: "note"}, text);
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const number = (value, digits = 4) => !isNumber(value) ? "–" : Number.isInteger(value) && Math.abs(value) < 1e9 ? value.toLocaleString("en")
    : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6 ? value.toFixed(Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? Math.min(2, digits) : digits) : value.toExponential(2);
  const plain = (value) => value === null || value === undefined ? "–" : isNumber(value) ? String(Number(value.toPrecision(4))) : typeof value === "string" ? value : JSON.stringify(value);
  const duration = (s) => !isNumber(s) ? "–" : s < 60 ? s.toFixed(1) + " s" : s < 3600 ? Math.floor(s / 60) + " min " + Math.round(s % 60) + " s" : Math.floor(s / 3600) + " h " + Math.round(s % 3600 / 60) + " min";
  const bare = (name) => name.replace(/^(val_|test_)/, "").replace(/\.(val_|test_)/, ".");

  // The shortest endings that still tell names apart: "depth" for "trunk.vanilla.depth".
  const shortNames = (names) => names.map((name) => {
    const parts = name.split(".");
    for (let n = 1; n < parts.length; ++n) {
      const ending = parts.slice(-n).join(".");
      if (names.filter((other) => other === ending || other.endsWith("." + ending)).length === 1) return ending;
    }
    return name;
  });

  const table = (heads, rows, classes = [], kind = "") => element("div", {class: "scroll"}, element("table", {class: kind},
    element("thead", {}, element("tr", {}, heads.map((head, i) => element("th", {class: rows.some((row) => isNumber(row[i])) ? "number" : ""}, head)))),
    element("tbody", {}, rows.map((row, r) => element("tr", {class: classes[r] || ""},
      row.map((cell, i) => element("td", {class: rows.some((other) => isNumber(other[i])) ? "number" : ""}, isNumber(cell) ? number(cell) : cell ?? "–")))))));

  const chart = (make, height) => {
    if (typeof Chart === "undefined") return null;
    const canvas = element("canvas");
    const box = element("div", {class: "chart", style: height ? `height:${height}px` : ""}, canvas);
    charts.push({canvas, make});
    return box;
  };
  const drawCharts = () => {
    if (typeof Chart === "undefined") return;
    Chart.defaults.color = colour("--soft");
    Chart.defaults.borderColor = colour("--line");
    Chart.defaults.font.family = "system-ui, 'DejaVu Sans', sans-serif";
    Chart.defaults.animation = false;
    Chart.defaults.maintainAspectRatio = false;
    for (const entry of charts) {
      if (entry.chart) entry.chart.destroy();
      entry.chart = new Chart(entry.canvas, entry.make());
    }
  };
  const axes = (x, y, more = {}) => ({x: {title: {display: !!x, text: x}, ...more.x}, y: {title: {display: !!y, text: y}, ...more.y}});

  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  // Pictures are {height, width, channels, data: base64 of bytes, interleaved}.
  const picture = (p) => {
    const canvas = element("canvas", {width: p.width, height: p.height});
    const pixels = typeof p.data === "string" ? bytesOf(p.data) : p.data.flat(3);
    const image = new ImageData(p.width, p.height);
    for (let i = 0; i < p.width * p.height; ++i)
      for (let c = 0; c < 4; ++c) image.data[4 * i + c] = c === 3 ? 255 : pixels[i * p.channels + (p.channels === 3 ? c : 0)];
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  };
  // A plane of numbers (rows of rows, one or three of them) scaled to grey or colour.
  const plane = (planes) => {
    const height = planes[0].length, width = planes[0][0].length;
    const all = planes.flat(2);
    const low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    const data = new Uint8Array(height * width * planes.length);
    for (let y = 0; y < height; ++y) for (let x = 0; x < width; ++x) planes.forEach((p, c) => {
      data[(y * width + x) * planes.length + c] = high > low ? Math.round(255 * (p[y][x] - low) / (high - low)) : 127;
    });
    return picture({height, width, channels: planes.length, data: [...data]});
  };

  const metric = study.objective.metric || "";
  const others = study.objective.others || [];
  const onFront = (t) => (study.front || []).includes(t.number);
  const better = (a, b) => study.objective.maximize ? a > b : a < b;
  const best = study.trials.find((t) => t.number === study.best && isNumber(t.objective)) || null;
  const place = new Map((study.ranking || []).map((n, i) => [n, i]));
  const bestFirst = (trials) => [...trials].sort((a, b) => place.get(a.number) - place.get(b.number));

  // A measure in a unit that suits its size, one for all trials: seconds are too long for a latency.
  const measure = (name) => {
    const most = Math.max(0, ...study.trials.map((t) => t.scores[name]).filter(isNumber));
    const [unit, scale] = name === "latency" ? (most < 1e-3 ? ["µs", 1e6] : most < 1 ? ["ms", 1e3] : ["s", 1])
      : name === "time" ? (most < 180 ? ["s", 1] : most < 10800 ? ["min", 1 / 60] : ["h", 1 / 3600])
      : name === "memory" ? ["MiB", 1 / 2 ** 20] : ["", 1];
    return {title: (name === "time" ? "time, predicted" : name) + (unit ? ",\u00a0" + unit : ""), of: (v) => unit ? Number((v * scale).toPrecision(4)) : v};
  };

  const isRefitted = (t) => (t.parts || []).some((p) => p.part === "refit" && p.state === "complete");

  const head = () => {
    const box = document.getElementById("head");
    box.append(element("h1", {}, study.name), element("p", {}, study.about || "A study of espalier"));
    const chips = [["data", study.dataset_name], ["seed", study.seed], ["trials", study.trials.length], ["training", duration(study.trials.reduce((sum, t) => sum + (t.seconds || 0), 0))], ["objective", [study.objective, ...others].map((o) => (o.maximize ? "maximize " : "minimize ") + o.metric).join(", ")], ["study", study.folder]];
    box.append(element("div", {class: "chips"}, chips.filter((c) => c[1] !== null && c[1] !== undefined && c[1] !== "").map(([name, value]) => element("span", {class: "chip"}, element("b", {}, name + " "), String(value)))));
    if (typeof Chart === "undefined") box.append(note("Charts need Chart.js (Debian: libjs-chart.js), which was not there when this report was written: tables stand in for them."));
  };

  const scores = () => {
    const of = (kind) => (study.scores || {})[kind] || {};
    const kinds = [["test", "test split"], ["search", "validation, in the search"], ["baseline", "baseline"]].filter(([kind]) => Object.values(of(kind)).some(isNumber));
    if (!kinds.length) { section("Scores", "", note("No model has been scored yet.")); return; }
    const find = (kind, name) => ["val_" + name, "test_" + name, name.replace(/^(.*\.)?/, "$1val_"), name.replace(/^(.*\.)?/, "$1test_"), name].map((n) => of(kind)[n]).find(isNumber);
    const main = bare(metric);
    const names = [...new Set(kinds.flatMap(([kind]) => Object.entries(of(kind)).filter(([, v]) => isNumber(v)).map(([n]) => bare(n))))];
    const cards = kinds.map(([kind, title]) => element("div", {class: "score" + (kind === "test" ? " main" : "")}, element("span", {}, title), element("b", {}, number(find(kind, main))), element("span", {}, main + (kind === "search" && best && isNumber(best.scores.spread) ? `, mean ± ${number(best.scores.spread)}` : ""))));
    const rows = names.filter((n) => kinds.filter(([kind]) => isNumber(find(kind, n))).length > (kinds.length > 1 ? 1 : 0)).map((n) => [n, ...kinds.map(([kind]) => find(kind, n) ?? "–")]);
    section("Scores of the best model", "", element("div", {class: "scores"}, cards), element("h3", {}, "Side by side"), table(["metric", ...kinds.map((k) => k[1])], rows),
      best ? note(`Trial ${best.number}: ${isRefitted(best) ? "trained again on all rows but test, these are the weights" : best.parts.length ? `the weights of the first of its ${best.parts.length} trainings are those` : "the weights that scored are the weights"} in best/model.safetensors. The test split was read once, after the search.`) : null);
  };

  // Of a mean over replicates; trials of one training have none.
  const interval = (t) => isNumber(t.objective) && isNumber(t.scores.interval) ? `${number(t.objective - t.scores.interval)} to ${number(t.objective + t.scores.interval)}` : "";
  const hasIntervals = study.trials.some(interval);

  const leaderboard = () => {
    const names = [...new Set(study.trials.flatMap((t) => Object.keys(t.settings)))].sort();
    const sorted = bestFirst(study.trials);
    const measures = others.map((o) => measure(o.metric));
    const rows = sorted.map((t) => [String(t.number), isNumber(t.objective) ? (isNumber(t.scores.spread) ? `${number(t.objective)} ± ${number(t.scores.spread)}` : t.objective) : "–", ...(hasIntervals ? [interval(t)] : []), ...others.map((o, i) => isNumber(t.scores[o.metric]) ? measures[i].of(t.scores[o.metric]) : "–"), ...(others.length ? [onFront(t) ? "★" : ""] : []), ...names.map((n) => n in t.settings ? plain(t.settings[n]) : "–"), plain(t.epochs), duration(t.seconds), t.state + (t.cause ? ": " + t.cause : "") + (t.message ? " – " + t.message : ""), t.reason || ""]);
    const parts = sorted.flatMap((t) => (t.parts || []).map((p) => [`trial ${t.number}, ${p.part}`, isNumber(p.objective) ? p.objective : "–", plain(p.epochs), duration(p.seconds), String(p.attempts), p.state]));
    section("Leaderboard", "", table(["trial", metric, ...(hasIntervals ? ["95 % interval"] : []), ...measures.map((m) => m.title), ...(others.length ? ["front"] : []), ...shortNames(names), "epochs", "time", "state", "why it was tried"], rows, sorted.map((t) => best && t.number === best.number ? "best" : t.state === "failed" ? "failed" : ""), "leaderboard"),
      hasIntervals ? note("±: standard deviation over the seeds of a trial; 95 % interval: confidence interval of their mean (Student's t).") : null,
      parts.length ? element("details", {}, element("summary", {}, "the trainings that each trial consists of"), table(["training", metric, "epochs", "time", "attempts", "state"], parts)) : null);
  };

  const curves = () => {
    const withCurve = study.trials.filter((t) => t.curve.length);
    if (!withCurve.length) return;
    const present = new Set(withCurve.flatMap((t) => t.curve.flatMap((e) => Object.keys(e.metrics))));
    const wanted = [...new Set([metric, "val_loss", "loss"])].filter((n) => present.has(n));
    const box = element("div", {class: "charts"});
    for (const name of wanted) {
      const drawn = chart(() => ({type: "line",
        data: {datasets: withCurve.map((t) => {
          const isBest = best && t.number === best.number;
          const line = isBest ? colour("--leaf") : palette[(t.number + 1) % palette.length] + "99";
          return {label: "trial " + t.number, data: t.curve.filter((e) => isNumber(e.metrics[name])).map((e) => ({x: e.epoch, y: e.metrics[name]})), borderColor: line, backgroundColor: line, borderWidth: isBest ? 3 : 1.3, pointRadius: t.curve.length > 12 ? 0 : 2, order: isBest ? 0 : 1, tension: .15};
        })},
        options: {parsing: false, interaction: {mode: "nearest", intersect: false}, scales: axes("epoch", name, {x: {type: "linear", ticks: {precision: 0}}}), plugins: {legend: {display: withCurve.length <= 10, position: "bottom", labels: {boxWidth: 10}}, title: {display: true, text: name}}}}));
      if (drawn) box.append(drawn);
    }
    if (!box.children.length) {
      box.append(table(["trial", ...wanted.map((n) => n + " by epoch")], withCurve.map((t) => [String(t.number), ...wanted.map((n) => t.curve.map((e) => number(e.metrics[n])).join("  "))])));
    }
    const left = [withCurve.length > 10 && best ? `The strong green line is trial ${best.number}, the best.` : "", withCurve.some((t) => t.parts.length) ? "Of a trial that consists of several trainings, the first is drawn." : ""];
    section("Learning curves", "", box, left.filter((text) => text).map(note));
  };

  const network = () => {
    const net = study.network;
    if (!net) return;
    if (net.summary) section("Network of the best trial", net.svg ? "half" : "", note(`${number(net.parameters)} trained parameters, ${number(net.macs)} multiply-adds a sample`), element("pre", {}, net.summary));
    if (net.svg) section("Its picture", "half", element("div", {class: "drawing"}, element("img", {alt: "graph of the network's layers with their shapes", src: "data:image/svg+xml;charset=utf-8," + encodeURIComponent(net.svg)})));
  };

  const features = () => {
    const found = study.features;
    if (!found) return;
    const filters = found.filters, maps = found.maps || [];
    const parts = [];
    // Filters are [filter][channel][row][column]: three channels make a colour picture, others their mean.
    const shown = (filter) => filter.length === 3 || filter.length === 1 ? filter : [filter[0].map((row, y) => row.map((_, x) => filter.reduce((sum, c) => sum + c[y][x], 0) / filter.length))];
    if (Array.isArray(filters) && filters.length) parts.push(element("h3", {}, "Filters of the first layer"), element("div", {class: "filters"}, filters.slice(0, 96).map((f) => element("figure", {}, plane(shown(f))))));
    for (const layer of maps) {
      if (!Array.isArray(layer.planes) || !layer.planes.length) continue;
      parts.push(element("h3", {}, "What it sees in one picture" + (layer.from ? ": " + layer.from : "")), element("div", {class: "maps"}, layer.planes.slice(0, 64).map((p) => element("figure", {}, plane([p])))));
    }
    if (found.picture) parts.unshift(element("figure", {style: "width:120px"}, picture(found.picture), element("figcaption", {}, "the picture")));
    if (parts.length) section("What the first layers look for", "", ...parts);
  };

  const data = () => {
    const set = study.data;
    if (!set) return;
    if (set.pictures && set.pictures.length) section("Pictures of the training split", "half", element("div", {class: "pictures"}, set.pictures.map((p) => element("figure", {}, picture(p), element("figcaption", {}, p.caption || "")))));
    for (const target of set.targets || []) {
      const splits = Object.keys(target.counts).filter((s) => target.counts[s].some((n) => n > 0));
      const drawn = chart(() => ({type: "bar", data: {labels: target.labels, datasets: splits.map((s, i) => ({label: s, data: target.counts[s], backgroundColor: [colour("--leaf"), colour("--bark"), "#4a6fa5"][i % 3]}))},
        options: {scales: axes(target.column, "samples", {x: {stacked: true, ticks: {autoSkip: target.kind === "number", maxRotation: 60}}, y: {stacked: true}}), plugins: {legend: {position: "bottom", labels: {boxWidth: 10}}}}}), 320);
      section(target.kind === "number" ? `Histogram of ${target.column}` : `Class balance of ${target.column}`, "half", drawn || table([target.column, ...splits], target.labels.map((l, i) => [l, ...splits.map((s) => target.counts[s][i])])));
    }
    const rows = Object.entries(set.sizes || {}).map(([name, n]) => [name, n]);
    const left = (set.left_out || []).map((entry) => [String(entry.cause), entry.count, (entry.examples || []).slice(0, 3).map(plain).join(", ")]);
    section("Data", "half", table(["split", "samples"], rows), left.length ? element("h3", {}, "Left out") : null, left.length ? table(["cause", "samples", "such as"], left) : note("No sample was left out."));
  };

  const samples = () => {
    const list = study.samples || [];
    if (!list.length) return;
    section("Predictions on samples that training never saw", "", element("div", {class: "pictures"}, list.map((s) => {
      const lines = (s.answers || []).map((a) => element("figcaption", {class: a.right === true ? "right" : a.right === false ? "wrong" : ""}, `${plain(a.predicted)}${isNumber(a.probability) ? " " + Math.round(100 * a.probability) + "\u00a0%" : ""}`, element("br"), `true: ${plain(a.true)}`));
      return element("figure", {}, s.picture ? picture(s.picture) : null, lines);
    })));
  };

  const confusion = (entry) => {
    const matrix = entry.matrix, names = entry.names && entry.names.length === matrix.length ? entry.names : matrix.map((_, i) => String(i));
    const rows = matrix.map((row, t) => {
      const sum = row.reduce((a, b) => a + b, 0) || 1;
      return element("tr", {}, element("th", {}, names[t]), row.map((n, p) => {
        const part = n / sum, shade = t === p ? "47,111,79" : "179,64,46";
        return element("td", {style: `background:rgba(${shade},${(n ? .08 + .8 * Math.sqrt(part) : 0).toFixed(3)});${part > .35 ? "color:#fff" : ""}`, title: `true ${names[t]}, predicted ${names[p]}: ${n} (${(100 * part).toFixed(1)} %)`}, n ? String(n) : "");
      }));
    });
    section(`Confusion of ${entry.head}: rows are true, columns predicted`, names.length > 12 ? "rest" : "half", element("div", {class: "scroll"}, element("table", {class: "heat"}, element("thead", {}, element("tr", {}, element("th"), names.map((n) => element("th", {}, n)))), element("tbody", {}, rows))));
  };

  const byClass = (entry) => section(`By class of ${entry.head}`, entry.rows.length > 12 ? "third" : "half",
    table(["class", "precision", "recall", "F1", "samples"], entry.rows.map((r) => [r.name, r.precision, r.recall, r.f1, r.samples])));

  const reliability = (entry) => {
    const rows = entry.rows.filter((r) => r.samples > 0);
    const drawn = chart(() => ({type: "bar", data: {labels: rows.map((r) => `${Math.round(100 * r.from)}–${Math.round(100 * r.to)} %`), datasets: [
      {label: "accuracy", data: rows.map((r) => r.accuracy), backgroundColor: colour("--leaf"), order: 1},
      {label: "confidence", type: "line", order: 0, data: rows.map((r) => r.confidence), borderColor: colour("--bark"), backgroundColor: colour("--bark"), borderWidth: 1.5, pointRadius: 2}]},
      options: {scales: axes("confidence of the answer", "share that is right", {y: {min: 0, max: 1}}), plugins: {legend: {position: "bottom", labels: {boxWidth: 10}}}}}), 320);
    section(`Reliability of ${entry.head}`, study.reliability.length > 1 ? "half" : "", drawn || table(["confidence from", "to", "samples", "confidence", "accuracy"], rows.map((r) => [r.from, r.to, r.samples, r.confidence, r.accuracy])),
      note("A model that knows how sure it may be is as often right as it is confident; with more confidence than accuracy it is too sure."));
  };

  const byRange = (entry) => section(`Errors of ${entry.head} by range of the target`, "half",
    table(["from", "to", "samples", "bias", "MAE", "RMSE"], entry.rows.map((r) => [r.name ? `${r.name}: ${number(r.from, 2)}` : r.from, r.to, r.samples, r.bias, r.mae, r.rmse])),
    note("Bias is the mean of predicted minus true."));

  const residuals = (entry) => {
    const points = entry.true.map((t, i) => ({x: t, y: entry.predicted[i]}));
    if (!points.length) return;
    const low = Math.min(...entry.true), high = Math.max(...entry.true);
    const drawn = chart(() => ({type: "scatter", data: {datasets: [
      {label: "samples", data: points, pointRadius: 2, backgroundColor: colour("--leaf") + "88"},
      {label: "perfect", type: "line", data: [{x: low, y: low}, {x: high, y: high}], borderColor: colour("--bark"), borderWidth: 1.5, pointRadius: 0}]},
      options: {scales: axes("true " + entry.head, "predicted", {x: {type: "linear"}}), plugins: {legend: {position: "bottom", labels: {boxWidth: 10}}}}}), 340);
    section(`Predicted and true ${entry.head}`, "half", drawn || table(["true", "predicted"], points.slice(0, 50).map((p) => [p.x, p.y])));
    const errors = points.map((p) => p.y - p.x), bins = 25, from = Math.min(...errors), step = (Math.max(...errors) - from) / bins || 1;
    const counts = Array(bins).fill(0);
    for (const e of errors) ++counts[Math.min(bins - 1, Math.floor((e - from) / step))];
    const bars = chart(() => ({type: "bar", data: {labels: counts.map((_, i) => number(from + (i + .5) * step, 1)), datasets: [{label: "samples", data: counts, backgroundColor: colour("--bark")}]}, options: {scales: axes("predicted - true", "samples"), plugins: {legend: {display: false}}}}), 340);
    if (bars) section(`Residuals of ${entry.head}`, "half", bars);
  };

  const origin = () => {
    const rows = Object.entries(study.where || {}).filter(([, v]) => v !== null && v !== "").map(([k, v]) => [k, plain(v)]);
    const times = study.trials.map((t) => ["trial " + t.number, t.started || "–", t.ended || "–", String(t.attempts), duration(t.seconds)]);
    section("What ran where", "", table(["what", "value"], rows), element("details", {}, element("summary", {}, "when each trial ran"), table(["trial", "started", "ended", "attempts", "time"], times)),
      element("details", {}, element("summary", {}, "the pipeline as given"), element("pre", {}, study.pipeline || "")),
      element("details", {}, element("summary", {}, "every value, resolved"), element("pre", {}, study.resolved || "")),
      element("details", {}, element("summary", {}, "lock: hashes and versions"), element("pre", {}, JSON.stringify(study.lock, null, 1))));
  };

  head();
  scores();
  searchSections({study, element, section, note, table, chart, colour, axes, isNumber, number, plain, shortNames, metric, measure, others, onFront, better, best, bestFirst});
  leaderboard();
  curves();
  samples();
  const of = (list, head) => (list || []).filter((entry) => entry.head === head);
  for (const entry of study.confusions || []) { confusion(entry); of(study.by_class, entry.head).forEach(byClass); }
  for (const entry of study.by_class || []) if (!of(study.confusions, entry.head).length) byClass(entry);
  for (const entry of study.reliability || []) reliability(entry);
  for (const entry of study.residuals || []) residuals(entry);
  for (const entry of study.by_range || []) byRange(entry);
  features();
  network();
  data();
  origin();
  drawCharts();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
})();
