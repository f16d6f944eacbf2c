// The thin line that tells a newcomer what to do first. Its words come from whoever made the page.
import {html, Icon, useState} from './ui.js';

const kept = 'guide-closed';

// A step is {words, do, person, until}: do is what a click on it does, until names what must have happened for it to be done.
export function Guide({steps, end, done, act}) {
  const [closed, setClosed] = useState(() => sessionStorage.getItem(kept) === 'yes');
  if (closed) return null;
  const now = steps.findIndex((step) => !done[step.until]);
  const go = (step) => (step.do === 'person' ? act.person(step.person) : act[step.do]?.());
  const close = html`<button type="button" class="icon-button" aria-label="Close the guide"
    onClick=${() => { sessionStorage.setItem(kept, 'yes'); setClosed(true); }}><${Icon} name="close" size=${13} /></button>`;
  if (now < 0 && end) {
    return html`<div class="guide" data-testid="guide"><${Icon} name="check" size=${15} /><span>${end}</span>${close}</div>`;
  }
  return html`<ol class="guide" aria-label="What to try first" data-testid="guide">${steps.map((step, i) => html`<li
    class=${done[step.until] ? 'done' : i === now ? 'now' : ''}><button type="button" onClick=${() => go(step)}
    data-testid=${`guide-${i + 1}`}><b>${done[step.until] ? html`<${Icon} name="check" size=${13} label="done" />` : i + 1}</b>
    ${step.words}</button></li>`)}
    ${close}</ol>`;
}
