/// What the samples of one name have in common: how they are read, and what they mean.
public struct MetricFamily: Sendable, Hashable {
  /// How its samples are to be read.
  public enum Kind: String, Sendable, CaseIterable {
    /// A count that only grows while the server runs. Its name ends in `_total`.
    case counter
    /// A figure of this moment.
    case gauge
    /// Durations in buckets, with their sum and their number.
    case histogram
    /// Texts in labels, at the value 1. Its name ends in `_info`.
    case info
  }

  /// The name of its samples; those of a histogram end in `_bucket`, `_sum` and `_count` besides.
  public let name: String
  /// How its samples are to be read.
  public let kind: Kind
  /// What it means: one sentence, or two.
  public let help: String
  /// What its samples are told apart by.
  public let labels: [String]

  /// A family of that kind.
  public init(_ kind: Kind, _ name: String, _ help: String, labels: [String] = []) {
    precondition(kind != .counter || name.hasSuffix("_total"), "a counter's name ends in _total")
    precondition(kind != .info || name.hasSuffix("_info"), "an info's name ends in _info")
    self.kind = kind
    self.name = name
    self.help = help
    self.labels = labels
  }

  /// Its name without what its kind adds, as OpenMetrics declares it.
  var base: String {
    switch kind {
    case .counter: String(name.dropLast("_total".count))
    case .info: String(name.dropLast("_info".count))
    case .gauge, .histogram: name
    }
  }

  /// Its unit as its name says it; nil where it has none of a base unit.
  var unit: String? { ["seconds", "bytes"].first { base.hasSuffix("_" + $0) } }

  /// The names that its samples have.
  public var sampleNames: [String] {
    kind == .histogram ? ["_bucket", "_sum", "_count"].map { name + $0 } : [name]
  }
}
