import {
  dropped,
  isConditional,
  type Mutant,
  type Patch,
  type Place,
  stubPlaces,
  withCondition,
} from './stub-mutants.js';

/** What becomes of one instruction, which must read as it says here. */
interface Edit {
  readonly place: string;
  readonly text: string;
  readonly how:
    | 'dropped'
    | 'always'
    | 'inverted'
    | { readonly constant: number }
    | { readonly bytes: string };
}

const edit = (place: string, text: string, how: Edit['how']): Edit => ({ place, text, how });
/** A condition that holds always, or never. */
const always = (place: string, text: string): Edit => edit(place, text, 'always');
const never = (place: string, text: string): Edit => edit(place, text, 'dropped');
const drop = never;
const set = (place: string, text: string, constant: number): Edit => edit(place, text, { constant });

/** Each rule that the stub keeps, and how it is broken. */
const RULES: readonly (readonly [broken: string, ...edits: Edit[]])[] = [
  // Whether it acts at all
  ['acts for a loader before kexec', never('guard+3', 'jb kernel')],
  ['acts for a loader after kexec', never('guard+5', 'ja kernel')],
  ['enters a block that is not there', never('compared+0', 'jne kernel')],
  ['leaves the direction flag as it is', drop('guard+0', 'cld')],
  ['leaves interrupts on', drop('guard+1', 'cli')],
  ['acts with the GDT inside the image', never('program+35', 'jb leave')],
  ['acts with the GDT inside the tail', drop('program+33', 'add ecx,[rax+24h]')],
  ['takes a table that is none', never('program+39', 'jne leave')],
  ['takes a table of another version', never('program+41', 'jne leave')],
  ['ignores shootdown=off', never('program+50', 'je putBackTables')],
  ['gates where shootdown= says what is not known', set('found3+0', 'mov byte [state],2', 3)],
  ['reads the command line beyond its bound', never('wordSkip+1', 'jae commandLineEnd')],
  ['matches words beyond its bound', never('matchByte+1', 'jae matchNot')],
  ['takes the beginning of a word for the word', never('matchByte+14', 'ja matchNot')],
  ['takes any selectors', never('descriptors+9', 'jne descriptorsNot')],
  ['goes on where no port answers', never('mechanism+9', 'jne end')],
  ['goes to ports in a TDX guest', always('program+69', 'jne mechanism')],
  // What it finds
  ['enters a bridge not in D0', never('bridge+14', 'je bridgeBlock')],
  ['looks at buses behind a bridge that sleeps', never('busLoop+6', 'jne busNext')],
  ['enters a bridge to a bus not above its own', never('bridge+11', 'jbe bridgeEnd')],
  ['lets the second of two bridges have the bus', never('bridge+16', 'jne bridgeEnd')],
  ['takes a vendor ID of FFFF for nothing there', edit('visitId+7', 'or byte [rbp+2],2', { bytes: 'c3' })],
  ['ignores the multi-function bit', never('functionLoop+11', 'jne functionInc')],
  ['heeds the multi-function bit where functions are virtual', never('functionLoop+5', 'jne functionNext')],
  ['looks at functions beside a first that is not there', never('functionLoop+9', 'je deviceInc')],
  ['forgets functions that were known', always('deviceInc+1', 'je deviceSkip')],
  ['looks at all devices below a port', always('functionInc+1', 'je functionNext')],
  ['forgets root buses and those that were listed', never('busLoop+8', 'jne busParent')],
  ['scans every bus', never('busLoop+10', 'je busNext')],
  ['takes the hints for another function', always('visitKnown+8', 'je knownSame')],
  ['takes the hints though capabilities have moved', never('capabilitiesChecked+0', 'jne capabilitiesWalk')],
  ['takes what is gone for quiet', drop('visit+12', 'jmp keepUp')],
  ['follows a capability list without end', never('capabilityLoop+3', 'jb capabilityDone')],
  ['follows a capability list into the header', never('capabilityLoop+1', 'jb capabilityDone')],
  ['lists more functions than there is room for', always('visitList+3', 'jb visitRoom')],
  ['looks at all registers of quiet functions', never('visitEndpoint+3', 'je visitEnd')],
  // What it decides
  ['writes to a function in D3hot', always('knownChecked+11', 'je visitAwake')],
  ['takes D1 for D0', set('knownChecked+10', 'test eax,3', 2)],
  ['gates what a rule exempts', always('ruledLive+1', 'jne ruledGate')],
  ['ignores preserve', always('settleLoop+3', 'je settleNext')],
  ['preserves no bridge above', always('preserveUp+4', 'je decideEnd')],
  ['preserves no physical function', always('preserve+6', 'je decideEnd')],
  ['ignores whether VGA is forwarded', always('displayUp+15', 'jne displayUp')],
  ['ignores facts', always('ruleFacts+2', 'je ruleConditions')],
  // In which order it gates
  ['gates a bridge above something live', always('gateOne+3', 'je gateObserve')],
  ['marks no bridge above something live', drop('keepUp+5', 'or byte [r12+rax-1Eh],8')],
  ['gates a bridge above one that sleeps', always('keepAbove+6', 'jne keepEnd')],
  [
    'bridges before endpoints',
    set('unknownEnd+0', 'mov byte [state],0', 1),
    set('openEnd+0', 'mov byte [state],1', 0),
  ],
  [
    'shallow before deep',
    edit('gateDepths+0', 'mov al,[state]', { bytes: 'b000eb02' }),
    edit('gateEachEnd+2', 'sub byte [state],1', { bytes: '8083' }),
  ],
  [
    'virtual after physical',
    set('depthLoop+0', 'mov byte [state],2', 0),
    edit('gateEachEnd+0', 'sub byte [state],2', { bytes: '80b3' }),
    edit('gateEachEnd+1', 'je virtualLoop', 'inverted'),
  ],
  // What it writes
  ['observe gates', always('gateObserve+1', 'jne gateWrite')],
  ['observe switches MSI off', always('msiOn+1', 'jne msiMay')],
  ['observe switches MSI-X off', always('msixOn+1', 'jne msixMay')],
  ['observe waits', never('waitAll+1', 'je waitReturn')],
  ['leaves BME', drop('gateWrite+2', 'and eax,0FFFFFFFBh')],
  ['clears memory decoding, too', set('gateWrite+2', 'and eax,0FFFFFFFBh', 0xf9)],
  ['does not disable INTx', drop('gateWrite+3', 'or eax,400h')],
  ['does not read back', drop('gateWrite+7', 'call read')],
  ['takes a BME that stays for cleared', never('gateIntx+2', 'jne gateFailed')],
  ['takes INTx that fires for quiet', always('gateIntx+10', 'je gateEnd')],
  ['MSI off though INTx-disable did not stick', always('mayDisable+4', 'jne mayYes')],
  ['MSI off though BME stays', never('mayDisable+2', 'je mayEnd')],
  ['MSI stays on where there is no pin', always('mayDisable+9', 'jne mayEnd')],
  ['writes to what is no MSI', never('messagesLoop+12', 'jne msiEnd')],
  ['writes to what is no MSI-X', never('msiEnd+7', 'jne messagesNext')],
  ['MSI loses its vectors', set('msiWrite+1', 'and eax,0FFFEh', 0xff00)],
  ['MSI-X off without its mask', drop('msixWrite+2', 'or eax,4000h')],
  ['waits for none', always('waitEnd+1', 'je waitDone')],
  // Bounds
  ['ignores the access bound', never('address+4', 'jb end')],
  ['ignores the time bound', never('checkTime+6', 'jae timeOver')],
  ['gates nothing where looking took all the time', always('timeOver+2', 'jne end')],
  ['has its time anew again and again', never('timeOver+2', 'jne end')],
  ['leaves gating what time is left', always('gatePhase+6', 'jbe gateBegin')],
  ['gates bridges above what it did not look at', always('settleEnd+1', 'je unknownEnd')],
  ['keeps quiet that time ran out', always('gateBegin+12', 'je end')],
  ['polls without a pause', never('waitPause+2', 'jne waitPause')],
  ['waits without end', always('waitPause+6', 'jb waitRound')],
  ['ignores stopOnFailure', always('stopIfWanted+1', 'je failedEnd')],
  // Interrupts
  ['NMI does not return', drop('nmiReturn+0', 'iretq')],
  ['an NMI is not counted', drop('nmi+2', 'inc byte […]')],
  ['an exception does not end the walk', never('exception+12', 'je end')],
  ['an exception starts the record anew', always('exception+12', 'je end')],
  // What it leaves
  ['does not restore CF8', drop('putBack+5', 'out dx,eax')],
  ['leaves its IDT', drop('putBackTables+0', 'lidt [state]')],
  ['leaves its GDT', drop('putBackTables+1', 'lgdt [state]')],
  ['leaves its stack', drop('leave+9', 'mov rsp,[state]')],
  ['does not lower init_size', drop('recordFits+18', 'mov [r8+260h],eax')],
  [
    'links the record before init_size is lowered',
    edit('recordFits+18', 'mov [r8+260h],eax', { bytes: '4d899050020000' }),
    edit('recordFits+19', 'mov [r8+250h],r10', { bytes: '41898060020000' }),
  ],
  ['unlinks setup data of others', drop('recordFits+13', 'mov [r10],rax')],
  ['a full record on a normal jump', never('record+4', 'je summary')],
  ['a full record where the kernel is not aligned', never('record+11', 'jne summary')],
  ['a full record below the preferred address', never('record+13', 'jb summary')],
  ['a full record without a tail', never('record+19', 'jne summary')],
  ['a record that runs over its room', always('recordEntries+7', 'jae recordFits')],
  ['a summary that runs over its room', always('compactLoop+7', 'jbe compactFits')],
  ['a record without a checksum', drop('recordFits+10', 'call recordEnd')],
];

/** Throws where an instruction is not what was meant: then the list is to be brought up to date. */
export function ruleMutants(places: readonly Place[] = stubPlaces()): Mutant[] {
  const byName = new Map(places.map((place) => [place.name, place]));
  return RULES.map(([broken, ...edits]) => ({
    name: broken,
    patches: edits.map((one) => {
      const place = byName.get(one.place);
      const text = place?.text;
      if (!place || text !== one.text) throw new Error(`${one.place} is ${text}, not ${one.text}`);
      return patchOf(place, one.how);
    }),
  }));
}

function patchOf(place: Place, how: Edit['how']): Patch {
  const { in: where, at, bytes, constantAt, constantBytes } = place;
  const patch = (from: number, values: readonly number[]): Patch => ({
    ...{ in: where, place: at, at: at + from, bytes: values },
  });
  if (how === 'dropped') return dropped(place);
  if (typeof how === 'object') {
    if ('bytes' in how) return patch(0, [...Buffer.from(how.bytes, 'hex')]);
    const little = Array.from({ length: constantBytes }, (_, i) => (how.constant >>> (8 * i)) & 0xff);
    return patch(constantAt, little);
  }
  if (!isConditional(place)) throw new Error(`${place.name} is no conditional jump`);
  if (how === 'inverted') return withCondition(place, ((bytes[1] ?? 0) & 0xf) ^ 1);
  // 0f 8x and four bytes become e9 and the same, from a byte less far.
  const displacement = new DataView(bytes.buffer, bytes.byteOffset).getInt32(2, true) + 1;
  return patch(0, [0xe9, ...[0, 8, 16, 24].map((shift) => (displacement >> shift) & 0xff)]);
}
