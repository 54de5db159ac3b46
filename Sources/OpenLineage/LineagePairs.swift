import BasicTypes

/// Pairs of datasets of which the second was made from the first, each with the latest time at which a report showed it.
struct LineagePairs {
  /// What was made from what.
  struct Pair: Hashable {
    let source: Identifier
    let target: Identifier
  }

  private var times: [Pair: Timestamp] = [:]

  /// The pairs in the order of their ids.
  var sorted: [(pair: Pair, time: Timestamp)] {
    times.map { (pair: $0.key, time: $0.value) }
      .sorted { ($0.pair.source, $0.pair.target) < ($1.pair.source, $1.pair.target) }
  }

  /// Every input with every output, at one time.
  mutating func addPairs(_ inputs: [Identifier], _ outputs: [Identifier], at time: Timestamp) {
    for input in inputs {
      for output in outputs { add(Pair(source: input, target: output), at: time) }
    }
  }

  /// Every input of a run with every output of it, of the pairs that a report which named these datasets can have changed. A pair's time is the
  /// later of the two times at which the run's reports named its ends, so it doesn't depend on which of them came first.
  mutating func addPairs(of run: ReportedFields, touching inputs: [Identifier], _ outputs: [Identifier]) {
    guard !inputs.isEmpty || !outputs.isEmpty else { return }
    let touchedInputs = Set(inputs)
    let touchedOutputs = Set(outputs)
    let known = { (group: String) in
      run.noted(group).compactMap { key, time in Identifier(key).map { (id: $0, time: time) } }
    }
    let allOutputs = known("output_dataset_ids")
    for input in known("input_dataset_ids") {
      for output in allOutputs where touchedInputs.contains(input.id) || touchedOutputs.contains(output.id) {
        add(Pair(source: input.id, target: output.id), at: max(input.time, output.time))
      }
    }
  }

  private mutating func add(_ pair: Pair, at time: Timestamp) {
    times[pair] = max(times[pair] ?? time, time)
  }
}
