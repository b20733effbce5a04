import type { IommuGroupView } from './view.js';

/** To the function's row: the fragment works without a script, and says which function is chosen with one. */
export function SlotLink({ slot }: { readonly slot: string }) {
  return (
    <a class="n" href={`#fn=${slot}`}>
      {slot}
    </a>
  );
}

const LISTED_MAX = 8;

/** Slots in a line; a long list can be opened. */
export function SlotList({ slots }: { readonly slots: readonly string[] }) {
  const links = (some: readonly string[]) => some.map((slot) => [<SlotLink slot={slot} />, ' ']);
  if (slots.length <= LISTED_MAX) return <span class="slots">{links(slots)}</span>;
  return (
    <details class="slots">
      <summary>
        {slots[0]} and {slots.length - 1} more
      </summary>
      {links(slots)}
    </details>
  );
}

/** What one function of a group may write, all may. */
export function Groups({ groups }: { readonly groups: readonly IommuGroupView[] }) {
  if (groups.length === 0) return null;
  return (
    <details>
      <summary>IOMMU groups that several functions share: {groups.length}</summary>
      <p class="about">The IOMMU cannot tell the functions of a group apart: what one may reach, all may.</p>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col">Domain</th>
            <th scope="col">Functions</th>
          </tr>
        </thead>
        <tbody>
          {groups.map(({ group, domain, members }) => (
            <tr>
              <th scope="row" class="n">
                {group}
              </th>
              <td>{domain}</td>
              <td>
                {members.map(({ slot, bridge }) => [<SlotLink slot={slot} />, bridge ? ' (bridge) ' : ' '])}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
