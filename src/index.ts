// The library. `deviceShootdown` does it all in one call; its parts are here for those who need them one at a time.
export { type Clock, systemClock } from './host/clock.js';
export { openDump } from './host/dump.js';
export type { FunctionFacts, MachineFacts } from './host/facts.js';
export type { Host, HostActions, Width } from './host/port.js';
export { type Machine, type ScanOptions, scan } from './host/scan.js';
export { openSysfs, type SysfsOptions } from './host/sysfs.js';
export { type FlightRecord, parseFlight } from './image/flight.js';
export type { FlightEntry } from './image/flight-entry.js';
export { type FlightResult, flightResults } from './image/flight-results.js';
export { type ImageInfo, inspectImage, type KernelInfo, type WrappedInfo } from './image/inspect.js';
export { STUB } from './image/stub.generated.js';
export type { StubProgram } from './image/stub.js';
export { type CompiledTable, compileTable, type TableOptions } from './image/table.js';
export { unwrapImage, type WrapOptions, wrapImage } from './image/wrap.js';
export { ConfigImage, type ConfigRange, type VisibleBytes } from './pci/config-image.js';
export { type DecodeOptions, decodeFunction, decodeSteps } from './pci/decode.js';
export { type ErrorCode, ShootdownError } from './pci/error.js';
export type {
  AdvancedFeatures,
  Aer,
  Bridge,
  CapabilityEntry,
  DecodeNote,
  Express,
  ExpressType,
  Msi,
  Msix,
  PciFunction,
  PowerManagement,
  PowerState,
  Presence,
  Seen,
  Sriov,
} from './pci/function.js';
export { seen } from './pci/function.js';
export {
  type IdSelector,
  matchesId,
  matchesSlot,
  parseIdSelector,
  parseSlotSelector,
  type SlotSelector,
} from './pci/selector.js';
export { compareSlots, formatSlot, parseSlot, type Slot, type SlotParts, slotParts } from './pci/slot.js';
export {
  ancestors,
  buildTopology,
  descendants,
  type RootBus,
  type Topology,
  type TopologyNode,
} from './pci/topology.js';
export { type Audit, type AuditedFunction, audit, liveFunctions } from './quiesce/audit.js';
export { machineFromAudit } from './quiesce/audit-machine.js';
export { type Decider, type Decision, decider } from './quiesce/decide.js';
export { defaultPolicy } from './quiesce/default-policy.js';
export { FINDINGS, type Finding, type FindingId, type JumpPath, type Severity } from './quiesce/findings.js';
export {
  type FunctionResult,
  functionResults,
  type Journal,
  type JournalEnd,
  type JournalHeader,
  type JournalRecord,
  type JournalSink,
  memorySink,
  type Outcome,
  parseJournal,
} from './quiesce/journal.js';
export { fileSink } from './quiesce/journal-file.js';
export { type PerformOptions, perform } from './quiesce/perform.js';
export { makePlan, type PlanOptions } from './quiesce/plan.js';
export {
  type Plan,
  parsePlan,
  type ResetStep,
  type Skipped,
  type Step,
  type UnbindStep,
  type WaitStep,
  type WriteStep,
} from './quiesce/plan-data.js';
export {
  type Place,
  type Policy,
  type PolicyAction,
  type PolicyMatch,
  type PolicyRule,
  parsePolicy,
} from './quiesce/policy.js';
export { type RestoreEntry, type RestoreOptions, type RestoreOutcome, restore } from './quiesce/restore.js';
export {
  deviceShootdown,
  performPlan,
  type ShootdownOptions,
  type ShootdownResult,
  scanForPlan,
} from './quiesce/shootdown.js';
export { type JournalVerdict, type Verdict, verdictOf } from './quiesce/verdict.js';
export { auditJson } from './report/audit-json.js';
export { jumpJson } from './report/jump-json.js';
export {
  type Claims,
  type CorruptedPage,
  createMachine,
  type DriverDescription,
  type DumpResult,
  drawCase,
  ERAS,
  type Era,
  type Expectation,
  type FaultCount,
  type Faults,
  type FunctionDescription,
  type IrqStorm,
  JUMP_VERDICTS,
  type JumpHooks,
  type JumpOptions,
  type JumpResult,
  type JumpVerdict,
  type LikeMachine,
  type LikeOptions,
  type LostDevice,
  type MachineDescription,
  type MachineOptions,
  type Matrix,
  type MatrixRow,
  type MemoryMap,
  machineLike,
  newSoak,
  type Observer,
  type Owner,
  type PageRange,
  PLATFORMS,
  type PlaceRecord,
  type PlatformName,
  type PlatformRules,
  type PlayedJump,
  type PlayOptions,
  POLICY_NAMES,
  type PolicyName,
  parseScenario,
  parseSoak,
  playCase,
  playJump,
  profile,
  profileNames,
  type RefusedWrites,
  type Region,
  runScenario,
  runSimMatrix,
  type Scenario,
  type ScenarioFact,
  type ScenarioLab,
  type ScenarioOptions,
  type ScenarioRun,
  type SimEvent,
  type SimMachine,
  type SimMatrix,
  type SimMatrixOptions,
  type SimMatrixRow,
  type SoakCase,
  type SoakCaseOutcome,
  type SoakJump,
  type SoakJumpOutcome,
  type SoakPlayOptions,
  type SoakSettings,
  type SoakState,
  type SoakViolation,
  STAGES,
  type Stage,
  type StrayWrite,
  type StubRunner,
  type StubSurroundings,
  shippedScenario,
  shippedScenarioNames,
  soak,
  TICKS_PER_MS,
  type TimelineEntry,
  VERDICT_MEANINGS,
  WORKLOADS,
  type Workload,
  type Writer,
} from './sim/index.js';
export { VERSION } from './version.js';
