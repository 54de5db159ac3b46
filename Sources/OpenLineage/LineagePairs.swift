import BasicTypes

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
  package static let limit = 1000

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
  /// - Throws: ``ReportFailure`` `tooManyPairs`.
  mutating func addPairs(
    of run: ReportedFields, touching inputs: [Identifier], _ outputs: [Identifier]
  ) throws(ReportFailure) {
    guard !inputs.isEmpty || !outputs.isEmpty else { return }
    let touchedInputs = Set(inputs)
    let touchedOutputs = Set(outputs)
    let known = { (group: String) in
      run.noted(group).compactMap { key, time in Identifier(key).map { (id: $0, time: time) } }
    }
    let allInputs = known("input_dataset_ids")
    let allOutputs = known("output_dataset_ids")
    try LineagePairs.check(touchedInputs.count, allOutputs.count)
    try LineagePairs.check(allInputs.count, touchedOutputs.count)
    for input in allInputs {
      for output in allOutputs where touchedInputs.contains(input.id) || touchedOutputs.contains(output.id) {
        add(Pair(source: input.id, target: output.id), at: max(input.time, output.time))
      }
    }
  }

  /// Refuses what would be more pairs than a report may show.
  static func check(_ inputs: Int, _ outputs: Int) throws(ReportFailure) {
    let (pairs, isOverflow) = inputs.multipliedReportingOverflow(by: outputs)
    guard !isOverflow, pairs <= limit else { throw .tooManyPairs(limit: limit) }
  }

  private mutating func add(_ pair: Pair, at time: Timestamp) {
    times[pair] = max(times[pair] ?? time, time)
  }
}
