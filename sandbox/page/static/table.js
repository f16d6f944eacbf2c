// The table blocks: table as it is, data_table with pages and sorting.
import {html, Icon, useState} from './ui.js';

const text = (cell) => String(cell?.text ?? cell?.value ?? cell?.element?.text?.text ?? '');

// order compares two rows by a column: by number where all of its cells are numbers, else by words.
function order(rows, column) {
  const numbers = rows.every((row) => row[column]?.type === 'raw_number');
  const key = (row) => (numbers ? Number(row[column].value) : text(row[column]).toLowerCase());
  return (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
}

export function Table({block, Cell}) {
  const [head, ...rows] = block.rows ?? [];
  const settings = block.column_settings ?? [];
  const look = (column) => ({
    textAlign: settings[column]?.align ?? 'left', whiteSpace: settings[column]?.is_wrapped ? 'normal' : 'nowrap',
  });
  return html`<div class="table-box" tabindex="0"><table class="table">
    <thead><tr>${(head ?? []).map((cell, i) => html`<th scope="col" style=${look(i)}><${Cell}
      cell=${cell} block=${block} /></th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td style=${look(i)}><${Cell}
      cell=${cell} block=${block} /></td>`)}</tr>`)}</tbody>
  </table></div>`;
}

export function DataTable({block, Cell}) {
  const [sort, setSort] = useState({column: -1, down: false});
  const [page, setPage] = useState(0);
  const [head, ...rows] = block.rows ?? [];
  const size = block.page_size ?? 5, pages = Math.max(1, Math.ceil(rows.length / size));
  const at = Math.min(page, pages - 1), from = at * size;
  const sorted = sort.column < 0 ? rows : [...rows].sort(order(rows, sort.column));
  if (sort.down) sorted.reverse();
  const shown = sorted.slice(from, from + size);
  const by = (column) => {
    setSort({column, down: sort.column === column && !sort.down});
    setPage(0);
  };
  const header = block.row_header_column_index ?? 0;
  const number = (column) => (rows.every((row) => row[column]?.type === 'raw_number') ? 'number' : '');
  return html`<div class="data-table" data-testid="data-table"><div class="table-box" tabindex="0"><table class="table">
    <caption>${block.caption}</caption>
    <thead><tr>${(head ?? []).map((cell, i) => html`<th scope="col" class=${number(i)}
      aria-sort=${sort.column !== i ? 'none' : sort.down ? 'descending' : 'ascending'}><button type="button"
      onClick=${() => by(i)}>${text(cell)}<i class=${sort.column !== i ? '' : sort.down ? 'down' : 'up'}
        aria-hidden="true"></i></button></th>`)}</tr></thead>
    <tbody>${shown.map((row) => html`<tr>${row.map((cell, i) => (i === header
      ? html`<th scope="row" class=${number(i)}><${Cell} cell=${cell} block=${block} /></th>`
      : html`<td class=${number(i)}><${Cell} cell=${cell} block=${block} /></td>`))}</tr>`)}</tbody>
  </table></div>
  ${pages > 1 && html`<div class="pager"><button type="button" class="icon-button" aria-label="Earlier rows" disabled=${at === 0}
    data-testid="table-back" onClick=${() => setPage(at - 1)}><${Icon} name="left" /></button>
    <span aria-live="polite">${from + 1}–${Math.min(from + size, rows.length)} of ${rows.length}</span>
    <button type="button" class="icon-button" aria-label="More rows" disabled=${at === pages - 1} data-testid="table-on"
      onClick=${() => setPage(at + 1)}><${Icon} name="right" /></button></div>`}</div>`;
}
