// The Atlassian organisation beside the chat: domains, accounts as they are, what changed, and what can be broken.
import {html, Avatar, Icon, useEffect, useMemo, useRef, useState, plural, clock} from './ui.js';
import {faults as readFaults, setFaults} from './api.js';

const filters = [
  ['all', 'All', () => true],
  ['active', 'Active', (account) => account.status === 'active'],
  ['inactive', 'Inactive', (account) => account.status !== 'active'],
  ['locked', 'Locked', (account) => account.locks.length > 0 || !account.managed],
  ['changed', 'Changed', (account, changes) => changes.has(account.id)],
];

const switches = [
  ['latency', 'Slow answers', 'every Atlassian call takes 1–2 s'],
  ['throttle', 'Throttling', 'every eighth call: 429 with Retry-After'],
  ['errors', 'Errors 503', 'every sixth Atlassian call fails'],
  ['cut', 'Cut connections', 'every fifth change takes effect, its answer is lost'],
  ['slack_outage', 'Slack outage', 'Web API and sockets down'],
];

export function Faults({onError}) {
  const [on, setOn] = useState({});
  useEffect(() => { readFaults().then(setOn, onError); }, []);
  const flip = (name) => setFaults({...on, [name]: !on[name]}).then(setOn, onError);
  const active = switches.filter(([name]) => on[name]).length;
  return html`<details class="faults" data-testid="faults"><summary><${Icon} name="bolt" size=${15} /> Faults
    ${active > 0 ? html`<span class="lozenge red">
      ${active} on</span>` : html`<small>break something, watch it cope</small>`}<${Icon} name="chevron"
      size=${14} /></summary>
    ${switches.map(([name, label, note]) => html`<label class="switch"><span><b>${label}</b><small>${note}</small></span>
      <input type="checkbox" role="switch" checked=${Boolean(on[name])} data-testid=${`fault-${name}`}
        onChange=${() => flip(name)} /><i aria-hidden="true"></i></label>`)}</details>`;
}

// merge tells for each account what it was before the first recorded effect, and when the last one happened.
function merge(effects) {
  const changes = new Map();
  for (const effect of effects) {
    const change = changes.get(effect.account) ?? {count: 0};
    if (effect.kind === 'email') change.email = change.email ?? effect.from;
    else change.status = change.status ?? effect.from;
    change.at = effect.at;
    change.count++;
    changes.set(effect.account, change);
  }
  return changes;
}

function was(old, now) {
  return old !== undefined && old !== now;
}

function Account({account, change}) {
  const version = `${account.email}|${account.status}|${account.name}`;
  const seen = useRef(version);
  const [flash, setFlash] = useState(false);
  useEffect(() => {
    if (seen.current === version) return undefined;
    seen.current = version;
    setFlash(true);
    const done = setTimeout(() => setFlash(false), 2500);
    return () => clearTimeout(done);
  }, [version]);
  const reasons = account.locks.map((lock) => `${lock.privilege}: ${lock.reason}`).join('\n');
  const groups = account.groups.join(', ');
  return html`<li class=${`account ${flash ? 'flash' : ''} ${change ? 'changed' : ''}`} data-testid="account"
    data-id=${account.id}>
    <${Avatar} person=${{...account, deleted: account.status !== 'active'}} size=${28} />
    <span class="account-words"><span class="account-name"><b>${account.name}</b>
      ${account.admin && html`<span class="lozenge purple">Org admin</span>`}${account.type === 'app' && html`<span
        class="lozenge grey">App</span>`}
      ${!account.managed && html`<span class="lozenge grey">Unmanaged</span>`}${account.hidden && html`<span
        class="lozenge grey">Hidden</span>`}
      <span class="account-state">${account.locks.length > 0 && html`<span class="locked" title=${reasons}><${Icon}
        name="lock" size=${14} label=${`Locked. ${reasons}`} /></span>`}
        ${change && was(change.status, account.status) && html`<s>${change.status}</s>`}
        <span class=${`lozenge ${account.status === 'active' ? 'green' : 'amber'}`}>${account.status}</span></span></span>
      ${change && was(change.email, account.email) && html`<span class="old-email">${change.email}</span>`}
      <span class="account-line" title=${groups && `Groups: ${groups}`}><span class="account-email">
        ${change && was(change.email, account.email) && html`<em>→</em>`}${account.email}</span>
        <span class="account-groups">${groups}</span></span></span></li>`;
}

export function Organisation({organisation, onError}) {
  const [search, setSearch] = useState('');
  const [filter, setFilter] = useState('all');
  const changes = useMemo(() => merge(organisation.effects), [organisation]);
  const words = search.trim().toLowerCase();
  const [, , test] = filters.find(([name]) => name === filter);
  const found = (account, change) => [account.name, account.email, account.id, change?.email ?? '', ...account.groups]
    .some((value) => value.toLowerCase().includes(words));
  const at = (account) => changes.get(account.id)?.at ?? '';
  const shown = useMemo(() => organisation.accounts
    .filter((account) => test(account, changes) && found(account, changes.get(account.id)))
    .sort((a, b) => at(b).localeCompare(at(a)) || a.name.localeCompare(b.name)), [organisation, filter, words]);
  const latest = organisation.effects.at(-1);
  return html`<aside class="organisation" aria-label=${`Atlassian: ${organisation.name}`}>
    <header><span class="organisation-mark" aria-hidden="true">${organisation.name[0]}</span>
      <span><small>Atlassian · ${plural(organisation.accounts.length, 'account')}</small>
        <h2>${organisation.name}</h2></span></header>
    <ul class="domains" aria-label="Domains">${organisation.domains.map((domain) => html`<li
      class=${domain.verified ? 'verified' : ''} title=${domain.verified ? 'verified' : 'not verified'}>
      <${Icon} name=${domain.verified ? 'check' : 'warn'} size=${12}
        label=${domain.verified ? 'Verified' : 'Not verified'} />${domain.name}<b>${domain.accounts}</b></li>`)}</ul>
    <label class="search"><${Icon} name="search" size=${14} /><input type="search" placeholder="Search accounts"
      aria-label="Search accounts" data-testid="account-search" value=${search}
      onInput=${(event) => setSearch(event.target.value)} /></label>
    <div class="filters" role="group" aria-label="Filter accounts">${filters.map(([name, label, fits]) => html`<button
      type="button" class=${filter === name ? 'on' : ''} aria-pressed=${filter === name}
      data-testid=${`filter-${name}`} onClick=${() => setFilter(name)}>${label}
        ${name !== 'all' && html`<b>${organisation.accounts.filter((account) => fits(account, changes)).length}</b>`}
        </button>`)}</div>
    <ul class="accounts" data-testid="accounts" aria-label="Accounts" tabindex="0">
      ${shown.map((account) => html`<${Account} key=${account.id} account=${account}
      change=${changes.get(account.id)} />`)}
      ${shown.length === 0 && html`<li class="none">No account fits.</li>`}</ul>
    <div class="panel-foot" data-testid="effects">
      ${latest ? `${plural(organisation.effects.length, 'change')} made, the last at ${clock(new Date(latest.at))}`
        : 'Nothing changed yet'}</div>
    <${Faults} onError=${onError} /></aside>`;
}
