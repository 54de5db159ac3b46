import CanonicalJSON
import EventLog

/// How alerts that a rule raises are worded: the platforms' words for how bad and of what kind, and a sentence.
enum AlertWords {
  /// The level (Django ETL) that stands beside a severity (Data Aggregator).
  static func level(of severity: String) -> String {
    switch severity {
    case "low": "info"
    case "high": "error"
    case "critical": "critical"
    default: "warning"
    }
  }

  /// The kind of alert that a metric is about.
  static func type(of metric: String) -> String {
    let name = metric.lowercased()
    func speaks(of words: [String]) -> Bool { words.contains { name.contains($0) } }
    if name == "run_failed" { return "pipeline_failed" }
    if speaks(of: ["memory", "cpu", "disk", "size", "bytes", "storage"]) { return "resource_exhaustion" }
    if speaks(of: ["rows", "records", "error", "null", "duplicate", "quality", "missing", "invalid"]) {
      return "data_quality"
    }
    return "performance_degradation"
  }

  /// What happened: `rows_error is 12, more than 10 (Too many errors)`.
  static func message(_ rule: ResourceState, value: Double) -> String {
    let words =
      switch rule.fields["operator"]?.stringValue {
      case "gt": "more than"
      case "gte": "not less than"
      case "lt": "less than"
      case "lte": "not more than"
      default: "exactly"
      }
    let metric = rule.fields["metric"]?.stringValue ?? "value"
    let name = rule.fields["name"]?.stringValue ?? "alert rule"
    let threshold = (rule.fields["threshold"] ?? .null).canonicalString
    return "\(metric) is \((JSON(finite: value) ?? .null).canonicalString), \(words) \(threshold) (\(name))"
  }
}
