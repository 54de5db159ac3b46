import CanonicalJSON

/// The median and the slow end of many waits.
struct Latency {
  let p50: Double
  let p99: Double
  let p999: Double
  let longest: Double

  /// Of microseconds; the results are milliseconds.
  init?(_ microseconds: [UInt32]) {
    guard !microseconds.isEmpty else { return nil }
    let sorted = microseconds.sorted()
    func at(_ share: Double) -> Double {
      Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1000
    }
    p50 = at(0.5)
    p99 = at(0.99)
    p999 = at(0.999)
    longest = at(1)
  }
}

/// What a figure must reach.
enum Floor {
  /// The value itself, at least.
  case atLeast(Double)
  /// The value itself, below.
  case below(Double)
  /// The ratio to the baseline, at least.
  case ratio(Double)
  /// The ratio to the baseline, below.
  case ratioBelow(Double)
}

/// One thing that was measured.
struct Figure {
  let part: Part
  let name: String
  let value: Double
  let unit: String
  var latency: Latency?
  /// What it stands beside, with its own median.
  var baseline: (name: String, value: Double)?
  /// The median of the rounds' ratios to the baseline.
  var ratio: Double?
  /// The rounds' values, in order.
  var rounds: [Double] = []
  var floor: Floor?
  /// What it is meant to reach, in the same measure as the floor.
  var goal: Double?
  /// What else a reader should know.
  var note = ""
  /// More numbers, for programs.
  var more: JSONObject = [:]

  init(_ part: Part, _ name: String, _ value: Double, _ unit: String) {
    self.part = part
    self.name = name
    self.value = value
    self.unit = unit
  }

  /// Whether the floor is met; nil without one.
  var isMet: Bool? {
    switch floor {
    case nil: nil
    case .atLeast(let bound): value >= bound
    case .below(let bound): value < bound
    case .ratio(let bound): (ratio ?? 0) >= bound
    case .ratioBelow(let bound): (ratio ?? .infinity) < bound
    }
  }

  /// What pgbench did.
  static func baseline(clients: Int, rates: [Double], of size: String) -> Figure {
    var figure = Figure(
      .pgbench, "pgbench INSERT of \(size), \(clients) client\(clients == 1 ? "" : "s")", rates.median, "/s")
    figure.rounds = rates
    return figure
  }

  var json: JSON {
    var object: JSONObject = [
      "part": .string(part.rawValue), "name": .string(name), "value": Self.number(value), "unit": .string(unit),
    ]
    if let latency {
      object["p50_ms"] = Self.number(latency.p50)
      object["p99_ms"] = Self.number(latency.p99)
      object["p999_ms"] = Self.number(latency.p999)
      object["longest_ms"] = Self.number(latency.longest)
    }
    if let baseline { object["baseline"] = ["name": .string(baseline.name), "value": Self.number(baseline.value)] }
    if let ratio { object["ratio"] = Self.number(ratio) }
    if rounds.count > 1 { object["rounds"] = .array(rounds.map(Self.number)) }
    switch floor {
    case nil: break
    case .atLeast(let bound): object["floor"] = ["at_least": Self.number(bound)]
    case .below(let bound): object["floor"] = ["below": Self.number(bound)]
    case .ratio(let bound): object["floor"] = ["ratio_at_least": Self.number(bound)]
    case .ratioBelow(let bound): object["floor"] = ["ratio_below": Self.number(bound)]
    }
    if let goal { object["goal"] = Self.number(goal) }
    if let isMet { object["met"] = .bool(isMet) }
    if !note.isEmpty { object["note"] = .string(note) }
    if !more.isEmpty { object["more"] = .object(more) }
    return .object(object)
  }

  /// A number with at most four decimals.
  private static func number(_ value: Double) -> JSON {
    JSON(finite: (value * 10_000).rounded() / 10_000) ?? .null
  }
}

extension [Double] {
  /// The middle value, or the mean of the two in the middle; 0 of none.
  var median: Double {
    guard !isEmpty else { return 0 }
    let sorted = sorted()
    let middle = count / 2
    return count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
