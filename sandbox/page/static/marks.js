// Emoji as drawings, so that the page looks the same on a machine without an emoji font.
import {html} from './ui.js';

// names are Slack's short names of the emoji that have one here.
const names = {
  white_check_mark: '✅', heavy_check_mark: '✔', x: '❌', warning: '⚠', no_entry: '⛔', no_entry_sign: '🚫', hourglass: '⌛',
  hourglass_flowing_sand: '⏳', rocket: '🚀', tada: '🎉', lock: '🔒', unlock: '🔓', key: '🔑', mag: '🔍', eyes: '👀', wave: '👋',
  bell: '🔔', no_bell: '🔕', clipboard: '📋', memo: '📝', pencil2: '✏', page_facing_up: '📄', paperclip: '📎', inbox_tray: '📥',
  outbox_tray: '📤', bar_chart: '📊', chart_with_upwards_trend: '📈', calendar: '📅', date: '📅', clock1: '🕐', stopwatch: '⏱',
  alarm_clock: '⏰', arrow_right: '➡', arrows_counterclockwise: '🔄', leftwards_arrow_with_hook: '↩', rewind: '⏪', repeat: '🔁',
  black_square_for_stop: '⏹', double_vertical_bar: '⏸', pause_button: '⏸', arrow_forward: '▶', large_green_circle: '🟢',
  large_yellow_circle: '🟡', large_blue_circle: '🔵', red_circle: '🔴', white_circle: '⚪', large_orange_circle: '🟠',
  white_large_square: '⬜', black_large_square: '⬛', large_green_square: '🟩', large_red_square: '🟥', large_yellow_square: '🟨',
  information_source: 'ℹ', question: '❓', exclamation: '❗', bulb: '💡', shield: '🛡', busts_in_silhouette: '👥',
  bust_in_silhouette: '👤', point_right: '👉', thumbsup: '👍', '+1': '👍', thumbsdown: '👎', '-1': '👎', robot_face: '🤖', zap: '⚡',
  fire: '🔥', wastebasket: '🗑', package: '📦', e_mail: '📧', email: '📧', envelope: '✉', link: '🔗', gear: '⚙', wrench: '🔧',
  sos: '🆘', octagonal_sign: '🛑', ballot_box_with_check: '☑', speech_balloon: '💬', crescent_moon: '🌙', sunrise: '🌅',
  identification_card: '🪪', rotating_light: '🚨', building_construction: '🏗', ghost: '👻', house: '🏠',
};

const green = '#2bac76', red = '#e01e5a', amber = '#e8a317', blue = '#1d9bd1', grey = '#868686', purple = '#7c5cd6';
const filled = (d, fill) => html`<path d=${d} fill=${fill} />`;
const drawn = (d, stroke, width = 2) => html`<path d=${d} fill="none" stroke=${stroke} stroke-width=${width}
  stroke-linecap="round" stroke-linejoin="round" />`;
const disc = (fill) => html`<circle cx="12" cy="12" r="10" fill=${fill} />`;
const box = (fill) => html`<rect x="2.5" y="2.5" width="19" height="19" rx="4.5" fill=${fill} />`;
const sheet = filled('M5 2.5h10l4.5 4.5v14.5H5z', '#d5dbe3');

// drawings are made on a field of 24 by 24.
const drawings = {
  '✅': () => [box(green), drawn('M7 12.5l3.5 3.5L17.5 8', '#fff', 2.6)],
  '✔': () => drawn('M4 13l5.5 5.5L20 6', green, 3.2),
  '☑': () => [box(blue), drawn('M7 12.5l3.5 3.5L17.5 8', '#fff', 2.6)],
  '❌': () => drawn('M5 5l14 14M19 5 5 19', red, 3.6),
  '⚠': () => [filled('M10.3 3.2a2 2 0 0 1 3.4 0l8.6 15.3a2 2 0 0 1-1.7 3H3.4a2 2 0 0 1-1.7-3z', amber),
    drawn('M12 9v5.2M12 17.8v.2', '#3d2c00', 2.6)],
  '⛔': () => [disc(red), drawn('M7 12h10', '#fff', 3.4)],
  '🚫': () => [html`<circle cx="12" cy="12" r="8.7" fill="none" stroke=${red} stroke-width="2.8" />`, drawn('M6 6l12 12', red, 2.8)],
  '🛑': () => [filled('M8 2h8l6 6v8l-6 6H8l-6-6V8z', red), drawn('M8 12h8', '#fff', 3)],
  '⏳': () => [drawn('M6 3h12M6 21h12', '#a56a1c', 2.6), filled('M7.5 4h9c0 4.5-3 5.8-3 8s3 3.5 3 8h-9c0-4.5 3-5.8 3-8s-3-3.5-3-8z', '#cfe3f1'),
    filled('M8.6 7h6.8c-.7 2.2-2.6 3-3 4.6h-.8c-.4-1.6-2.3-2.4-3-4.6zM8 20c.4-2.6 2.6-3 4-4.4 1.4 1.4 3.6 1.8 4 4.4z', amber)],
  '🔒': () => [drawn('M7.5 11V8a4.5 4.5 0 0 1 9 0v3', grey, 2.4), html`<rect x="4.5" y="10.5" width="15" height="11" rx="2.4" fill=${amber} />`,
    drawn('M12 14.6v2.8', '#5c3d00', 2.2)],
  '🔓': () => [drawn('M7.5 11V7a4.5 4.5 0 0 1 8.6-1.8', grey, 2.4), html`<rect x="4.5" y="10.5" width="15" height="11" rx="2.4" fill=${amber} />`,
    drawn('M12 14.6v2.8', '#5c3d00', 2.2)],
  '🔑': () => [html`<circle cx="8" cy="8.5" r="4.6" fill="none" stroke=${amber} stroke-width="3" />`, drawn('M11.5 12l8.5 8.5M16 16.5l2.2-2.2', amber, 3)],
  '🔍': () => [html`<circle cx="10.2" cy="10.2" r="6.2" fill="#cfe3f1" stroke=${grey} stroke-width="2.4" />`, drawn('M15 15l6 6', grey, 3)],
  '👀': () => [html`<ellipse cx="7" cy="12" rx="4.6" ry="6" fill="#fff" stroke=${grey} stroke-width="1.6" /><ellipse cx="17" cy="12" rx="4.6" ry="6"
    fill="#fff" stroke=${grey} stroke-width="1.6" /><circle cx="8.6" cy="12.5" r="2" fill="#222" /><circle cx="18.6" cy="12.5" r="2" fill="#222" />`],
  '👋': () => [filled('M7.2 13.4 4.4 9.9a1.4 1.4 0 0 1 2.2-1.7l3 3.6-4-5.3A1.4 1.4 0 0 1 7.8 4.9l4.3 5.6-3-5.2a1.4 1.4 0 0 1 2.4-1.4l4.2 7.2.3-3.1a1.5 1.5 0 0 1 3 .2c-.2 5.2 1.2 8.6-2.6 11.7-3.5 2.8-7 .9-9.2-1.5z', '#f2bf4e'),
    drawn('M3.2 15.5c.4 2 1.5 3.7 3.1 4.8M18 3c1.4.8 2.4 2 2.8 3.6', grey, 1.6)],
  '🔔': () => [filled('M12 2.5c4 0 6.5 3 6.5 7v5l2 3h-17l2-3v-5c0-4 2.5-7 6.5-7z', amber), filled('M9.5 19h5a2.5 2.5 0 0 1-5 0z', amber)],
  '📋': () => [filled('M5 4h14v18H5z', '#b5793a'), filled('M7 7h10v13H7z', '#fff'), filled('M9 2.5h6v4H9z', grey)],
  '📝': () => [sheet, drawn('M8 10h6M8 14h4', grey, 1.6), drawn('M13 18.5l7.5-7.5', amber, 3)],
  '📄': () => [sheet, drawn('M8 10h8M8 14h8M8 18h5', grey, 1.6)],
  '📎': () => drawn('M19 11l-8 8a4.5 4.5 0 0 1-6.4-6.4l8.5-8.5a3 3 0 0 1 4.3 4.3L9 16.8', grey, 2.2),
  '📊': () => [box('#e8edf3'), filled('M6 12h3v7H6z', green), filled('M10.5 6h3v13h-3z', blue), filled('M15 9h3v10h-3z', red)],
  '📈': () => [box('#e8edf3'), drawn('M5 17l4.5-5 3.5 3L19 7', red, 2.4)],
  '📅': () => [filled('M3 5h18v16.5H3z', '#e8edf3'), filled('M3 5h18v5H3z', red), drawn('M8 3v4M16 3v4', grey), drawn('M7 14h2M11 14h2M15 14h2M7 18h2M11 18h2', grey)],
  '🕐': () => [disc('#e8edf3'), drawn('M12 6v6h4', '#333', 2.2)],
  '⏱': () => [html`<circle cx="12" cy="13.5" r="8" fill="#e8edf3" stroke=${grey} stroke-width="2" />`, drawn('M12 9.5v4l3 2M9.5 2.5h5', grey, 2.2)],
  '➡': () => [box(blue), drawn('M6 12h11M13 7.5 17.5 12 13 16.5', '#fff', 2.4)],
  '🔄': () => [box(blue), drawn('M7 10a5.5 5.5 0 0 1 10-1M17 5.5V9h-3.5M17 14a5.5 5.5 0 0 1-10 1M7 18.5V15h3.5', '#fff')],
  '↩': () => [box(blue), drawn('M10 7 6 11l4 4M6 11h8a4 4 0 0 1 0 8', '#fff', 2.2)],
  '⏪': () => [box(blue), filled('M12 7v10l-6-5zM18 7v10l-6-5z', '#fff')],
  '⏸': () => [box(blue), filled('M7.5 7h3v10h-3zM13.5 7h3v10h-3z', '#fff')],
  '⏹': () => [box(blue), filled('M7.5 7.5h9v9h-9z', '#fff')],
  '▶': () => [box(blue), filled('M9 6.5v11l8.5-5.5z', '#fff')],
  '🟢': () => disc(green), '🟡': () => disc('#f2c744'), '🔵': () => disc(blue), '🔴': () => disc(red), '🟠': () => disc('#e8772e'),
  '⚪': () => html`<circle cx="12" cy="12" r="9" fill="#fff" stroke=${grey} stroke-width="2" />`,
  '⬜': () => html`<rect x="3.5" y="3.5" width="17" height="17" rx="3" fill="#e8edf3" stroke=${grey} stroke-width="1.6" />`,
  '⬛': () => box('#3a3a3a'), '🟩': () => box(green), '🟥': () => box(red), '🟨': () => box('#f2c744'),
  'ℹ': () => [box(blue), drawn('M12 11v6M12 7v.2', '#fff', 2.6)],
  '❓': () => drawn('M8 8a4 4 0 1 1 5.5 3.7c-1 .5-1.5 1.2-1.5 2.8M12 19v.2', red, 3),
  '❗': () => drawn('M12 4v10M12 19v.2', red, 3.6),
  '💡': () => [filled('M12 2.5a6.5 6.5 0 0 1 3.5 12V17h-7v-2.5a6.5 6.5 0 0 1 3.5-12z', '#f2c744'), drawn('M9.5 20h5', grey, 2.4)],
  '🛡': () => [filled('M12 2.5l8 3v6c0 5-3.5 8.5-8 10-4.5-1.5-8-5-8-10v-6z', blue), drawn('M8 12l3 3 5-6', '#fff', 2.2)],
  '👥': () => [html`<circle cx="9" cy="8" r="4" fill=${grey} /><circle cx="16.5" cy="8.5" r="3.2" fill="#a9a9a9" />`, filled('M2 20c0-4 3-6 7-6s7 2 7 6z', grey), filled('M17 20h5c0-4-2.5-5.5-5.5-5.5', '#a9a9a9')],
  '👤': () => [html`<circle cx="12" cy="8" r="4.5" fill=${grey} />`, filled('M4 21c0-5 3.5-7 8-7s8 2 8 7z', grey)],
  '🤖': () => [html`<rect x="4" y="8" width="16" height="12" rx="3" fill="#9db2c7" /><circle cx="9" cy="13" r="1.8" fill="#fff" /><circle cx="15" cy="13" r="1.8" fill="#fff" />`, drawn('M12 8V4M9 17h6', grey)],
  '⚡': () => filled('M13.5 2 4.5 14h6L9 22l10-12.5h-6.5z', amber),
  '🔥': () => [filled('M12 2c1 4 6 6 6 12a6 6 0 0 1-12 0c0-3 1.5-4.5 2-7 1.5 1 2 2 2 3.5C11.5 8.5 12.5 6 12 2z', '#e8772e'), filled('M12 12c.5 2 2.5 2.5 2.5 5a2.5 2.5 0 0 1-5 0c0-2 1.5-3 2.5-5z', '#f2c744')],
  '🗑': () => [filled('M6 8h12l-1.2 14H7.2z', grey), drawn('M4.5 6h15M9.5 6V3.5h5V6', grey, 2.2)],
  '📦': () => [filled('M3 8h18v13H3z', '#b5793a'), filled('M4.5 3h15L21 8H3z', '#cf9a5f'), filled('M10.5 3h3v9h-3z', '#ecd3b0')],
  '📧': () => [html`<rect x="2.5" y="5" width="19" height="14.5" rx="2" fill="#d5dbe3" />`, drawn('M3.5 6.5 12 13l8.5-6.5', grey, 1.8)],
  '🔗': () => drawn('M10 14a4 4 0 0 0 5.7 0l3.3-3.3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0L5 13.3A4 4 0 0 0 10.7 19l1-1', grey, 2.4),
  '⚙': () => [drawn('M12 2.5v4M12 17.5v4M2.5 12h4M17.5 12h4M5.3 5.3l2.8 2.8M15.9 15.9l2.8 2.8M5.3 18.7l2.8-2.8M15.9 8.1l2.8-2.8', grey, 3),
    html`<circle cx="12" cy="12" r="4.8" fill="none" stroke=${grey} stroke-width="3.4" />`],
  '🔧': () => drawn('M14.5 5a5 5 0 0 0-1 6L4.5 20M19 9.5a5 5 0 0 1-6 1', grey, 3.2),
  '💬': () => filled('M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8l-5 4.5V17H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z', '#b9c4d0'),
  '🪪': () => [html`<rect x="2" y="5" width="20" height="14.5" rx="2.4" fill="#d5dbe3" /><circle cx="8" cy="11" r="2.4" fill=${grey} />`, filled('M4.5 17c0-2.5 1.5-3.5 3.5-3.5s3.5 1 3.5 3.5z', grey), drawn('M14 10h5M14 14h5', grey, 1.8)],
  '🚨': () => [filled('M6 18v-6a6 6 0 0 1 12 0v6z', red), filled('M4 18h16v3.5H4z', grey), drawn('M12 2v1.5M4.5 5l1 1M19.5 5l-1 1', red, 1.8)],
  '🎉': () => [filled('M3 21 8.5 8 16 15.5z', amber), drawn('M14 6c1.5 0 2-1 2-2.5M18 10c1.5-.5 3 0 3.5 1M12 3.5v.2M20 5v.2', purple, 2)],
  '🚀': () => [filled('M20 3c-6 0-11 5-12 10l3 3c5-1 9-6 9-13z', '#b9c4d0'), filled('M8 13l-4 1 3-5zM11 16l-1 4 5-3z', red), html`<circle cx="15" cy="8.5" r="2" fill=${blue} />`],
  '🌙': () => filled('M15 3a9 9 0 1 0 6 13A8 8 0 0 1 15 3z', '#f2c744'),
  '🏠': () => [filled('M12 3 2.5 11.5H5V21h14v-9.5h2.5z', '#b5793a'), filled('M10 15h4v6h-4z', '#ecd3b0')],
};
for (const [like, as] of Object.entries({'⌛': '⏳', '✉': '📧', '⏰': '⏱', '🔁': '🔄', '📥': '📦', '📤': '📦', '✏': '📝', '🔕': '🔔'})) {
  drawings[like] = drawings[as];
}

function Mark({sign}) {
  return html`<svg class="mark" viewBox="0 0 24 24" role="img" aria-label=${sign}>${drawings[sign]()}</svg>`;
}

const signs = new RegExp(`(?::([a-z0-9_+-]+):|(${Object.keys(drawings).join('|')}))\\uFE0F?`, 'gu');

// plainMarks puts the signs in the place of their short names, for where only text can stand.
export const plainMarks = (text) => text.replace(/:([a-z0-9_+-]+):/g, (all, name) => names[name] ?? all);

// marked returns text with its signs drawn.
export function marked(text) {
  const out = [];
  let last = 0;
  for (const found of text.matchAll(signs)) {
    const sign = found[2] ?? names[found[1]];
    if (!sign) continue;
    out.push(text.slice(last, found.index), drawings[sign] ? html`<${Mark} sign=${sign} />` : sign);
    last = found.index + found[0].length;
  }
  if (last === 0) return text;
  out.push(text.slice(last));
  return out;
}

export const markOf = (name) => marked(`:${name}:`);
