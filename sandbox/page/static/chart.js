// data_visualization blocks: bars, lines and areas over a common axis, a pie as shares.
import {html} from './ui.js';

const width = 560, height = 210, left = 46, right = 10, top = 10, bottom = 30;

// ticks are round values that cover the range, zero among them.
function ticks(least, most) {
  const span = most - least || 1;
  const rough = span / 4, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const out = [];
  for (let at = Math.floor(least / size) * size; at < most + size * 0.999; at += size) out.push(Number(at.toPrecision(12)));
  return out;
}

const words = (value) => Number(value).toLocaleString('en', {maximumFractionDigits: 2});

function Axes({marks, y, labels, x}) {
  const every = Math.ceil(labels.length / Math.max(1, Math.floor(10 - Math.max(0, ...labels.map((l) => l.length)) / 3)));
  return html`<g class="axes">${marks.map((mark) => html`<line class=${mark === 0 ? 'zero' : ''} x1=${left} x2=${width - right}
    y1=${y(mark)} y2=${y(mark)} /><text x=${left - 6} y=${y(mark) + 4} text-anchor="end">${words(mark)}</text>`)}
    ${labels.map((label, i) => (i % every === 0 ? html`<text x=${x(i)} y=${height - bottom + 17}
      text-anchor="middle">${label}</text>` : null))}</g>`;
}

function Plot({chart}) {
  const series = chart.series ?? [];
  const labels = chart.axis_config?.categories ?? [];
  const value = (line, label) => Number(line.data.find((point) => point.label === label)?.value ?? 0);
  const all = series.flatMap((line) => labels.map((label) => value(line, label)));
  const marks = ticks(Math.min(0, ...all), Math.max(0, ...all));
  const low = marks[0], high = marks.at(-1);
  const y = (v) => top + ((high - v) / (high - low || 1)) * (height - top - bottom);
  const slot = (width - left - right) / Math.max(1, labels.length);
  const x = (i) => left + slot * (i + 0.5);
  const bar = Math.min(30, (slot * 0.72) / Math.max(1, series.length));
  const title = (line, label) => html`<title>${line.name} ${label}: ${words(value(line, label))}</title>`;
  const points = (line) => labels.map((label, i) => `${x(i).toFixed(1)},${y(value(line, label)).toFixed(1)}`).join(' ');
  return html`<svg class="plot" viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${series.map((line) => `${line.name}: ${
    labels.map((label) => `${label} ${words(value(line, label))}`).join(', ')}`).join('; ')}>
    <${Axes} marks=${marks} y=${y} labels=${labels} x=${x} />
    ${series.map((line, s) => (chart.type === 'bar' ? labels.map((label, i) => {
      const v = value(line, label), from = y(Math.max(0, v)), to = y(Math.min(0, v));
      return html`<rect class=${`fill-${s}`} x=${x(i) + (s - series.length / 2) * bar} y=${from} width=${Math.max(1, bar - 2)}
        height=${Math.max(1, to - from)} rx="2">${title(line, label)}</rect>`;
    }) : html`${chart.type === 'area' && html`<polygon class=${`fill-${s} faint`}
        points=${`${x(0)},${y(0)} ${points(line)} ${x(labels.length - 1)},${y(0)}`} />`}
      <polyline class=${`line-${s}`} points=${points(line)} />
      ${labels.map((label, i) => html`<circle class=${`fill-${s}`} cx=${x(i)} cy=${y(value(line, label))} r="3.4">
        ${title(line, label)}</circle>`)}`))}</svg>`;
}

function Pie({segments}) {
  const total = segments.reduce((sum, each) => sum + Number(each.value), 0) || 1;
  let turned = 0;
  return html`<svg class="pie" viewBox="0 0 42 42" role="img" aria-label=${segments.map((each) => `${each.label} ${
    words(each.value)}`).join(', ')}>${segments.map((each, i) => {
    const share = (100 * Number(each.value)) / total;
    const piece = html`<circle class=${`line-${i}`} cx="21" cy="21" r="15.9155" stroke-width="9"
      stroke-dasharray=${`${share} ${100 - share}`} stroke-dashoffset=${25 - turned}><title>${each.label}: ${
      words(each.value)}</title></circle>`;
    turned += share;
    return piece;
  })}</svg>`;
}

export function Chart({block}) {
  const chart = block.chart ?? {};
  const pie = chart.type === 'pie';
  const legend = pie ? chart.segments.map((each) => `${each.label} ${words(each.value)}`)
    : (chart.series ?? []).map((line) => line.name);
  return html`<figure class=${`chart ${pie ? 'round-chart' : ''}`} data-testid="chart"><figcaption>${block.title}</figcaption>
    ${chart.axis_config?.y_label && html`<small>${chart.axis_config.y_label}</small>`}
    ${pie ? html`<${Pie} segments=${chart.segments ?? []} />` : html`<${Plot} chart=${chart} />`}
    ${(pie || legend.length > 1) && html`<ul class="legend">${legend.map((words, i) => html`<li><i
      class=${`box-${i}`}></i>${words}</li>`)}</ul>`}
    ${chart.axis_config?.x_label && html`<small class="x-label">${chart.axis_config.x_label}</small>`}</figure>`;
}
