"use strict";
// The pictures of a search: incumbent, what mattered, settings against the objective, rungs, who ran what when.
const searchSections = ({study, element, section, note, table, chart, colour, axes, isNumber, number, plain, shortNames, metric, measure, others, onFront, better, best, bestFirst}) => {
  const scored = study.trials.filter((t) => isNumber(t.objective) && t.state !== "failed");
  const seconds = (text) => text ? Date.parse(text) / 1000 : NaN;
  const starts = study.trials.map((t) => seconds(t.started)).concat((study.attempts || []).map((a) => seconds(a.started))).filter(isNumber);
  const begun = starts.length ? Math.min(...starts) : NaN;
  const legend = {position: "bottom", labels: {boxWidth: 10}};

  // Times in the unit that fits the whole search.
  const spent = Math.max(1, ...study.trials.map((t) => seconds(t.ended) - begun).concat((study.attempts || []).map((a) => seconds(a.ended) - begun)).filter(isNumber));
  const [unit, scale] = spent < 180 ? ["seconds", 1] : spent < 10800 ? ["minutes", 60] : ["hours", 3600];
  // Times are kept in whole seconds: attempts that are shorter would hide each other.
  const isTimed = spent >= 2 * (study.attempts || []).length;

  const incumbentOver = (points, title) => chart(() => {
    const sorted = [...points].sort((a, b) => a.x - b.x);
    const steps = [];
    for (const p of sorted) if (!steps.length || better(p.y, steps[steps.length - 1].y)) steps.push({x: p.x, y: p.y});
    const line = steps.concat(sorted.length ? [{x: sorted[sorted.length - 1].x, y: steps[steps.length - 1].y}] : []);
    return {type: "line", data: {datasets: [
      {label: "best so far", data: line, stepped: true, borderColor: colour("--leaf"), backgroundColor: colour("--leaf"), borderWidth: 2, pointRadius: 0},
      {label: "each trial", data: sorted, showLine: false, pointRadius: 3, borderColor: colour("--bark"), backgroundColor: colour("--bark")}]},
      options: {parsing: false, scales: axes(title, metric, {x: {type: "linear", min: 0, ticks: title === "trial" ? {precision: 0} : {}}}),
        plugins: {legend, tooltip: {callbacks: {label: (item) => item.raw.trial === undefined ? `best so far ${number(item.raw.y)}` : `trial ${item.raw.trial}: ${number(item.raw.y)}`}}}}};
  });
  const incumbent = () => {
    const byTrial = scored.map((t) => ({x: t.number, y: t.objective, trial: t.number}));
    const byTime = scored.filter((t) => isNumber(seconds(t.ended))).map((t) => ({x: (seconds(t.ended) - begun) / scale, y: t.objective, trial: t.number}));
    const drawn = [incumbentOver(byTrial, "trial"), byTime.length > 1 && isTimed ? incumbentOver(byTime, unit + " since the first trial began") : null].filter((c) => c);
    if (drawn.length) section("The best so far", "", element("div", {class: "charts"}, drawn));
  };

  // The first objective over each other one; the line joins the front where two objectives make it.
  const pareto = () => {
    const drawn = others.map((other) => {
      const {title, of} = measure(other.metric);
      const points = scored.filter((t) => isNumber(t.scores[other.metric])).map((t) => ({x: of(t.scores[other.metric]), y: t.objective, trial: t.number, front: onFront(t)}));
      const front = points.filter((p) => p.front).sort((a, b) => a.x - b.x || a.y - b.y);
      if (!front.length) return null;
      const spans = points.every((p) => p.x > 0) && Math.max(...points.map((p) => p.x)) / Math.min(...points.map((p) => p.x)) >= 50;
      return chart(() => ({type: "scatter", data: {datasets: [
        {label: "on the front", data: front, showLine: others.length === 1, stepped: other.maximize ? "after" : "before", borderWidth: 2, pointRadius: 5, borderColor: colour("--leaf"), backgroundColor: colour("--leaf"), order: 0},
        {label: "bettered by another", data: points.filter((p) => !p.front), pointRadius: 3, borderColor: colour("--bark"), backgroundColor: colour("--bark"), order: 1}]},
        options: {scales: axes(title, metric, {x: {type: spans ? "logarithmic" : "linear", ticks: {maxRotation: 0}}}),
          plugins: {legend, tooltip: {callbacks: {label: (item) => `trial ${item.raw.trial}: ${number(item.raw.y)}, ${title} ${number(item.raw.x)}`}}}}}));
    }).filter((c) => c);
    if (drawn.length) section("The Pareto front", "", element("div", {class: "charts"}, drawn),
      note(`${study.front.length} of ${study.trials.length} trials are on it: no other one is better in one of ${[metric, ...others.map((o) => o.metric)].join(", ")} without being worse in another. The best model is the best in ${metric}; where that ties, the others decide in their order.`));
  };

  const importance = () => {
    const found = study.importance;
    if (!found || !found.axes.length) return;
    const judged = found.axes.filter((a) => a.judged);
    const names = shortNames(found.axes.map((a) => a.name));
    const warnings = found.warnings.map((w) => note("Warning: " + w + "."));
    const aim = metric + (others.length ? ", the first objective" : "");
    if (!judged.length) { section("What mattered", "half", note("The trials are too few, or too much alike, to judge a setting."), warnings); return; }
    const drawn = chart(() => ({type: "bar", data: {labels: found.axes.flatMap((a, i) => a.judged ? [names[i]] : []), datasets: [{data: judged.map((a) => 100 * a.share),
      backgroundColor: judged.map((a) => a.by_chance <= .05 ? colour("--leaf") : colour("--line"))}]},
      options: {indexAxis: "y", scales: axes("share of what the settings explain, %", "", {x: {min: 0}, y: {ticks: {autoSkip: false}}}), plugins: {legend: {display: false}}}}), 80 + 26 * judged.length);
    const rows = found.axes.map((a, i) => [names[i], a.judged ? Math.round(100 * a.share) + " %" : "–", a.judged ? (100 * a.by_chance).toFixed(a.by_chance < .1 ? 1 : 0) + " %" : "–", a.favoured.length ? a.favoured.map(plain).join(" to ") : "–", String(a.trials)]);
    section("What mattered", "half", note(`What decides whether a trial is among the best ${found.best} of ${found.trials} by ${aim}: each setting alone (PED-ANOVA), judged among the trials that have it. Grey: lots would explain as much more than once in 20.`),
      drawn, table(["setting", "share", "by chance", "best trials have", "trials"], rows), warnings);
  };

  // A scale of one setting: numbers from 0 to 1, logarithmic where they span decades; words at equal distances.
  const scaleOf = (values) => {
    if (values.every(isNumber)) {
      const low = Math.min(...values), high = Math.max(...values), log = low > 0 && high / low >= 50;
      const to = log ? Math.log : (v) => v;
      const marks = [...new Set(values)].length <= 5 ? [...new Set(values)] : [low, log ? Math.exp((Math.log(low) + Math.log(high)) / 2) : (low + high) / 2, high];
      const place = (v) => high > low ? (to(v) - to(low)) / (to(high) - to(low)) : .5;
      const apart = marks.sort((a, b) => a - b).filter((v, i) => i === 0 || i === marks.length - 1 || Math.min(place(v), 1 - place(v)) > .06);
      return {place, marks: apart.map((v) => [place(v), plain(isNumber(v) ? Number(v.toPrecision(3)) : v)])};
    }
    const words = [...new Set(values.map(plain))].sort();
    const place = (v) => words.length > 1 ? words.indexOf(plain(v)) / (words.length - 1) : .5;
    return {place, marks: words.map((w) => [words.length > 1 ? words.indexOf(w) / (words.length - 1) : .5, w.length > 14 ? w.slice(0, 13) + "…" : w])};
  };
  const parallel = () => {
    const most = 300;
    const shown = bestFirst(scored).slice(0, most);
    const present = [...new Set(shown.flatMap((t) => Object.keys(t.settings)))].sort();
    const varying = present.filter((n) => new Set(shown.map((t) => JSON.stringify(t.settings[n]))).size > 1);
    if (!varying.length || shown.length < 3) return;
    const scales = varying.map((n) => scaleOf(shown.filter((t) => n in t.settings).map((t) => t.settings[n]))).concat([scaleOf(shown.map((t) => t.objective))]);
    const labels = shortNames(varying).concat([metric]);
    const rulers = {id: "rulers", afterDatasetsDraw: ({ctx, chartArea, scales: {x, y}}) => {
      ctx.save();
      ctx.font = "10px system-ui, 'DejaVu Sans', sans-serif";
      ctx.textBaseline = "middle";
      scales.forEach((s, i) => {
        const at = x.getPixelForValue(i);
        ctx.strokeStyle = colour("--soft");
        ctx.beginPath(); ctx.moveTo(at, chartArea.top); ctx.lineTo(at, chartArea.bottom); ctx.stroke();
        const last = i === scales.length - 1;
        ctx.textAlign = last ? "left" : "right";
        for (const [place, text] of s.marks) {
          const width = ctx.measureText(text).width, h = y.getPixelForValue(place), left = last ? at + 3 : at - 5 - width;
          ctx.globalAlpha = .8; ctx.fillStyle = colour("--card"); ctx.fillRect(left, h - 7, width + 2, 14); ctx.globalAlpha = 1;
          ctx.fillStyle = colour("--ink"); ctx.fillText(text, last ? at + 4 : at - 4, h);
        }
      });
      ctx.restore();
    }};
    const drawn = chart(() => ({type: "line", plugins: [rulers], data: {labels, datasets: shown.map((t, rank) => {
      const part = shown.length > 1 ? rank / (shown.length - 1) : 0, top = best && t.number === best.number;
      const line = part < .1 || top ? colour("--leaf") : part < .4 ? colour("--leaf") + "77" : colour("--bark") + "55";
      return {label: "trial " + t.number, data: varying.map((n, i) => n in t.settings ? scales[i].place(t.settings[n]) : null).concat([scales[varying.length].place(t.objective)]),
        borderColor: line, backgroundColor: line, borderWidth: top ? 3 : 1.4, pointRadius: 0, pointHitRadius: 6, tension: 0, spanGaps: true, order: rank};
    })}, options: {layout: {padding: {left: 46, right: 52, top: 8}}, scales: {x: {grid: {display: false}, ticks: {autoSkip: false, maxRotation: 40, color: colour("--ink")}}, y: {display: false, min: -.02, max: 1.02}},
      plugins: {legend: {display: false}, tooltip: {callbacks: {title: (items) => items.length ? items[0].dataset.label : "", label: (item) => {
        const t = shown[item.datasetIndex], name = varying[item.dataIndex];
        return name === undefined ? `${metric} ${number(t.objective)}` : `${name} ${plain(t.settings[name])}`;
      }}}}}}), 360);
    if (!drawn) return;
    drawn.style.minWidth = 84 * labels.length + "px";
    section("Settings against the objective", "", element("div", {class: "scroll"}, drawn),
      note(`A line each trial: the best tenth strong, the next in pale green, the rest brown${scored.length > most ? `; the best ${most} of ${scored.length}` : ""}.`));
  };

  const rungs = () => {
    // Epochs of a trial are the sum of its trainings', of which each goes to the same rung.
    const trainings = new Map(study.trials.map((t) => [t.number, Math.max(1, (t.parts || []).filter((p) => p.part !== "refit").length)]));
    const ended = (study.decisions || []).filter((d) => d.ended && isNumber(d.objective)).map((d) => ({...d, epochs: d.epochs / (trainings.get(d.trial) || 1)}));
    const pauses = ended.filter((d) => d.state === "paused");
    if (!pauses.length) return;
    const levels = [...new Set(pauses.map((d) => d.epochs))].sort((a, b) => a - b);
    const lines = study.trials.filter((t) => t.curve.some((e) => isNumber(e.metrics[metric]))).slice(0, 300);
    const drawn = chart(() => ({type: "scatter", data: {datasets: [
      {label: "paused here", data: pauses.map((d) => ({x: d.epochs, y: d.objective, trial: d.trial, why: d.reason})), pointRadius: 4, pointStyle: "rectRot", backgroundColor: colour("--bark"), borderColor: colour("--bark"), order: 0},
      {label: "trained to its end", data: ended.filter((d) => d.state === "complete").map((d) => ({x: d.epochs, y: d.objective, trial: d.trial, why: d.reason})), pointRadius: 4, backgroundColor: colour("--leaf"), borderColor: colour("--leaf"), order: 0},
      ...lines.map((t) => ({label: "", type: "line", data: t.curve.filter((e) => isNumber(e.metrics[metric])).map((e) => ({x: e.epoch, y: e.metrics[metric]})), pointRadius: 0, pointHitRadius: 0, borderWidth: 1.2, order: 1,
        borderColor: (best && t.number === best.number ? colour("--leaf") : colour("--soft") + "88")}))]},
      options: {scales: axes("epoch", metric, {x: {type: "linear", ticks: {precision: 0}}}),
        plugins: {legend: {...legend, labels: {boxWidth: 10, usePointStyle: true, filter: (item) => item.text !== ""}}, tooltip: {filter: (item) => item.raw.trial !== undefined, callbacks: {label: (item) => `trial ${item.raw.trial}: ${number(item.raw.y)} after ${plain(item.raw.x)}${item.raw.why ? ", " + item.raw.why : ""}`}}}}}), 340);
    const counts = levels.map((level) => [plain(level), String(new Set(ended.filter((d) => d.epochs >= level).map((d) => d.trial)).size), String(pauses.filter((d) => d.epochs === level && !ended.some((e) => e.trial === d.trial && e.epochs > level)).length)]);
    section("Rungs: who was paused where", "half", drawn, table(["epochs", "trials that came here", "and no further"], counts), note("A line each trial by epoch; a point is the best that it had reached" + ([...trainings.values()].some((n) => n > 1) ? ", the mean of its trainings; the line is the first of them." : ".")));
  };

  const timeline = () => {
    // The trainings of a trial stand for it.
    const whole = new Set((study.attempts || []).filter((a) => a.part).map((a) => a.trial));
    const all = (study.attempts || []).filter((a) => isNumber(seconds(a.started)) && (a.part || !whole.has(a.trial)));
    if (all.length < 2 || !isTimed) return;
    const last = Math.max(...all.map((a) => isNumber(seconds(a.ended)) ? seconds(a.ended) : seconds(a.started)));
    const owners = [...new Set(all.map((a) => a.owner || "worker"))];
    const outcomes = {complete: "--leaf", paused: "--bark", failed: "--bad", lost: "--bad", released: "--soft", runs: "--soft"};
    const bars = all.map((a) => {
      const from = (seconds(a.started) - begun) / scale, to = ((isNumber(seconds(a.ended)) ? seconds(a.ended) : last) - begun) / scale;
      return {x: [from, Math.max(to, from + spent / scale / 400)], y: a.owner || "worker", trial: a.trial, part: a.part, outcome: a.outcome || "runs"};
    });
    const kinds = [...new Set(bars.map((b) => b.outcome))];
    const numbers = {id: "numbers", afterDatasetsDraw: (drawn) => {
      const {ctx} = drawn;
      ctx.save(); ctx.font = "10px system-ui, sans-serif"; ctx.textAlign = "center"; ctx.textBaseline = "middle"; ctx.fillStyle = "#fff";
      drawn.data.datasets.forEach((set, s) => drawn.getDatasetMeta(s).data.forEach((bar, i) => {
        const text = String(set.data[i].trial), {x, base, y} = bar.getProps(["x", "base", "y"], true);
        if (Math.abs(x - base) > ctx.measureText(text).width + 3) ctx.fillText(text, (x + base) / 2, y);
      }));
      ctx.restore();
    }};
    const drawn = chart(() => ({type: "bar", plugins: [numbers], data: {labels: owners, datasets: kinds.map((kind) => ({label: kind, grouped: false, barPercentage: .9, categoryPercentage: .9, borderWidth: 1, borderColor: colour("--card"),
      backgroundColor: colour(outcomes[kind] || "--soft"), data: bars.filter((b) => b.outcome === kind)}))},
      options: {indexAxis: "y", scales: axes(unit + " since the first trial began", "", {x: {type: "linear", min: 0}, y: {ticks: {autoSkip: false}}}),
        plugins: {legend, tooltip: {callbacks: {label: (item) => `trial ${item.raw.trial}${item.raw.part ? ", " + item.raw.part : ""}: ${item.raw.outcome}, ${number(item.raw.x[0], 1)} to ${number(item.raw.x[1], 1)} ${unit}`}}}}}), 110 + 30 * Math.min(owners.length, 24));
    if (drawn) section("Who ran what when", "", drawn, note("A bar each attempt, with its trial's number where there is room."));
  };

  if (study.trials.length > 1) {
    incumbent();
    pareto();
    parallel();
    importance();
    rungs();
    timeline();
  }
};
