import BasicTypes
import CanonicalJSON

/// Pairs of datasets of which the second was made from the first, each with the
/// latest time at which a report showed it.
struct LineagePairs {
  /// What was made from what.
  struct Pair: Hashable {
    let source: Identifier
    let target: Identifier
  }

  /// How many pairs one report may show: each is an edge that is looked up and
  /// recorded while every other command waits.
  package static let limit = 2000

  private var times: [Pair: Timestamp] = [:]

  /// The pairs in the order of their ids.
  var sorted: [(pair: Pair, time: Timestamp)] {
    times.map { (pair: $0.key, time: $0.value) }
      .sorted { ($0.pair.source, $0.pair.target) < ($1.pair.source, $1.pair.target) }
  }

  /// Every input with every output, at one time.
  /// - Throws: ``ReportFailure`` `tooManyPairs`.
  mutating func addPairs(_ inputs: [Identifier], _ outputs: [Identifier], at time: Timestamp) throws(ReportFailure) {
    let inputs = Set(inputs)
    let outputs = Set(outputs)
    try LineagePairs.check(inputs.count, outputs.count)
    for input in inputs {
      for output in outputs { add(Pair(source: input, target: output), at: time) }
    }
  }

  /// Every input of a run with every output of it, of the pairs that a report which named these datasets can have
  /// changed. A pair's time is the later of the two times at which the run's reports named its ends, so it doesn't
  /// depend on which of them came first.
  ///
  /// A run that goes on for long may come to more pairs than one report may show. Then those that its reports have
  /// shown before keep their time, unless this one shows both ends again.
  /// - Throws: ``ReportFailure`` `tooManyPairs`.
  mutating func addPairs(
    of run: ReportedFields, touching inputs: [Identifier], _ outputs: [Identifier]
  ) throws(ReportFailure) {
    guard !inputs.isEmpty || !outputs.isEmpty else { return }
    let sources = RunEnds("input_dataset_ids", of: run, named: inputs)
    let targets = RunEnds("output_dataset_ids", of: run, named: outputs)
    if Self.count(sources.named, of: sources, targets.named, of: targets) <= Self.limit {
      add(sources.named, of: sources, targets.named, of: targets)
      return
    }
    guard Self.count(sources.added, of: sources, targets.added, of: targets) <= Self.limit else {
      throw .tooManyPairs(limit: Self.limit)
    }
    add(sources.added, of: sources, targets.added, of: targets)
    for input in sources.named {
      for output in targets.named { add(input, output, sources, targets) }
    }
  }

  /// How many pairs there are of which one end is among those.
  private static func count(
    _ inputs: Set<Identifier>, of sources: RunEnds, _ outputs: Set<Identifier>, of targets: RunEnds
  ) -> Int {
    inputs.count * targets.times.count + sources.times.count * outputs.count - inputs.count * outputs.count
  }

  /// All pairs of which one end is among those.
  private mutating func add(
    _ inputs: Set<Identifier>, of sources: RunEnds, _ outputs: Set<Identifier>, of targets: RunEnds
  ) {
    for input in inputs { for output in targets.times.keys { add(input, output, sources, targets) } }
    for output in outputs { for input in sources.times.keys { add(input, output, sources, targets) } }
  }

  private mutating func add(_ input: Identifier, _ output: Identifier, _ sources: RunEnds, _ targets: RunEnds) {
    guard let read = sources.times[input], let written = targets.times[output] else { return }
    add(Pair(source: input, target: output), at: max(read, written))
  }

  /// The inputs, or the outputs, of a run.
  private struct RunEnds {
    /// All of them, with the latest time at which a report of the run named each.
    var times: [Identifier: Timestamp] = [:]
    /// Those that this report named.
    let named: Set<Identifier>
    /// Those of them that no report of the run had named before.
    let added: Set<Identifier>

    init(_ group: String, of run: ReportedFields, named identifiers: [Identifier]) {
      for (key, time) in run.noted(group) {
        if let id = Identifier(key) { times[id] = time }
      }
      named = Set(identifiers)
      let before = run.current[ReportedFields.timesField]?[group]
      added = named.filter { before?[$0.text] == nil }
    }
  }

  /// Refuses what would be more pairs than a report may show.
  static func check(_ inputs: Int, _ outputs: Int) throws(ReportFailure) {
    let (pairs, isOverflow) = inputs.multipliedReportingOverflow(by: outputs)
    guard !isOverflow, pairs <= limit else { throw .tooManyPairs(limit: limit) }
  }

  /// A pair at a time; the latest one stays.
  mutating func add(_ pair: Pair, at time: Timestamp) {
    times[pair] = max(times[pair] ?? time, time)
  }
}
