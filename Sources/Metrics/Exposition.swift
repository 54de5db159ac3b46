/// Metrics as a text: Prometheus's format 0.0.4, or OpenMetrics 1.0.
///
/// Add each family once, with all of its samples, then call ``end()``.
public struct Exposition: Sendable {
  /// In which of the two formats.
  public enum Format: Sendable, Hashable {
    case text, openMetrics

    /// The media type of it.
    public var contentType: String {
      switch self {
      case .text: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  /// One sample: the values of its family's labels, in their order, and its own.
  public struct Sample: Sendable {
    let labels: [String]
    let value: Double

    /// A sample with these values.
    public init(_ labels: [String], _ value: Double) {
      self.labels = labels
      self.value = value
    }
  }

  private let format: Format
  /// What was written so far.
  public private(set) var bytes: [UInt8] = []

  /// An empty text of that format.
  public init(_ format: Format) {
    self.format = format
  }

  /// Adds a family with one sample.
  public mutating func add(_ family: MetricFamily, _ value: Double) { add(family, [Sample([], value)]) }

  /// Adds a family with its samples.
  public mutating func add(_ family: MetricFamily, _ samples: [Sample]) {
    head(family)
    for sample in samples {
      write(family.name, zip(family.labels, sample.labels), Self.text(sample.value))
    }
  }

  /// Adds a family of durations. Buckets are written in seconds, each with all that lie below its bound.
  public mutating func add(_ family: MetricFamily, _ histogram: Histogram.Snapshot) {
    head(family)
    var seen: UInt64 = 0
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      seen &+= count
      // As OpenMetrics wants it: a floating-point number also where it is whole.
      write(family.name + "_bucket", [("le", "\(Double(bound) / 1e9)")], "\(seen)")
    }
    let count = histogram.count
    write(family.name + "_bucket", [("le", "+Inf")], "\(count)")
    write(family.name + "_sum", [], Self.text(Double(histogram.nanoseconds) / 1e9))
    write(family.name + "_count", [], "\(count)")
  }

  /// Writes what stands at the end.
  public mutating func end() {
    if format == .openMetrics { bytes.append(contentsOf: "# EOF\n".utf8) }
  }

  private mutating func head(_ family: MetricFamily) {
    switch format {
    case .text:
      // This format has no infos: they are gauges there.
      let kind = family.kind == .info ? MetricFamily.Kind.gauge : family.kind
      line("# HELP \(family.name) \(Self.escaped(family.help, quotes: false))")
      line("# TYPE \(family.name) \(kind.rawValue)")
    case .openMetrics:
      line("# TYPE \(family.base) \(family.kind.rawValue)")
      if let unit = family.unit { line("# UNIT \(family.base) \(unit)") }
      line("# HELP \(family.base) \(Self.escaped(family.help, quotes: true))")
    }
  }

  private mutating func line(_ text: String) {
    bytes.append(contentsOf: text.utf8)
    bytes.append(UInt8(ascii: "\n"))
  }

  private mutating func write(_ name: String, _ labels: some Sequence<(String, String)>, _ value: String) {
    let pairs = labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
    line("\(name)\(pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") \(value)")
  }

  /// A number as both formats write it.
  static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value.magnitude < 1e15 && value == value.rounded() ? "\(Int64(value))" : "\(value)"
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var shown = ""
    for character in text.unicodeScalars {
      switch character {
      case "\\": shown += "\\\\"
      case "\n": shown += "\\n"
      case "\"" where quotes: shown += "\\\""
      default: shown.unicodeScalars.append(character)
      }
    }
    return shown
  }
}
