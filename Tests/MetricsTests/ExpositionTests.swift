import Metrics
import Testing

@Suite struct ExpositionTests {
  private let calls = MetricFamily(.counter, "app_calls_total", "Calls, \\ and \"more\".\nLine.", labels: ["method"])
  private let size = MetricFamily(.gauge, "app_size_bytes", "Size.")
  private let times = MetricFamily(.histogram, "app_wait_seconds", "Time.")
  private let build = MetricFamily(.info, "app_build_info", "Build.", labels: ["version", "commit"])

  private func written(_ format: Exposition.Format) -> String {
    var text = Exposition(format)
    text.add(calls, [.init(["a\"b\\c\nd"], 3), .init(["e"], 0.5)])
    text.add(size, 1_796_069_000_123)
    text.add(
      times, Histogram.Snapshot(bounds: [100_000, 1_000_000_000], counts: [2, 1, 4], nanoseconds: 1_500_000_000))
    text.add(build, [.init(["1.0", ""], 1)])
    text.end()
    return String(decoding: text.bytes, as: UTF8.self)
  }

  @Test func `the text format of Prometheus`() {
    #expect(
      written(.text) == #"""
        # HELP app_calls_total Calls, \\ and "more".\nLine.
        # TYPE app_calls_total counter
        app_calls_total{method="a\"b\\c\nd"} 3
        app_calls_total{method="e"} 0.5
        # HELP app_size_bytes Size.
        # TYPE app_size_bytes gauge
        app_size_bytes 1796069000123
        # HELP app_wait_seconds Time.
        # TYPE app_wait_seconds histogram
        app_wait_seconds_bucket{le="0.0001"} 2
        app_wait_seconds_bucket{le="1.0"} 3
        app_wait_seconds_bucket{le="+Inf"} 7
        app_wait_seconds_sum 1.5
        app_wait_seconds_count 7
        # HELP app_build_info Build.
        # TYPE app_build_info gauge
        app_build_info{version="1.0",commit=""} 1

        """#)
  }

  @Test func `OpenMetrics declares families without what their kind adds, with units, and ends`() {
    #expect(
      written(.openMetrics) == #"""
        # TYPE app_calls counter
        # HELP app_calls Calls, \\ and \"more\".\nLine.
        app_calls_total{method="a\"b\\c\nd"} 3
        app_calls_total{method="e"} 0.5
        # TYPE app_size_bytes gauge
        # UNIT app_size_bytes bytes
        # HELP app_size_bytes Size.
        app_size_bytes 1796069000123
        # TYPE app_wait_seconds histogram
        # UNIT app_wait_seconds seconds
        # HELP app_wait_seconds Time.
        app_wait_seconds_bucket{le="0.0001"} 2
        app_wait_seconds_bucket{le="1.0"} 3
        app_wait_seconds_bucket{le="+Inf"} 7
        app_wait_seconds_sum 1.5
        app_wait_seconds_count 7
        # TYPE app_build info
        # HELP app_build Build.
        app_build_info{version="1.0",commit=""} 1
        # EOF

        """#)
  }

  @Test func `numbers that are none are written as both formats spell them`() {
    var text = Exposition(.text)
    let family = MetricFamily(.gauge, "x", "X.", labels: ["v"])
    text.add(
      family,
      [.init(["a"], .nan), .init(["b"], .infinity), .init(["c"], -.infinity), .init(["d"], 1e18), .init(["e"], -2)])
    let lines = String(decoding: text.bytes, as: UTF8.self).split(separator: "\n").dropFirst(2)
    #expect(
      lines.map { String($0) } == [
        #"x{v="a"} NaN"#, #"x{v="b"} +Inf"#, #"x{v="c"} -Inf"#, #"x{v="d"} 1e+18"#, #"x{v="e"} -2"#,
      ])
  }

  static let asked: [(accept: String?, format: Exposition.Format)] = [
    (nil, .text), ("", .text), ("*/*", .text), ("text/plain", .text), ("text/html, */*;q=0.8", .text),
    ("application/json", .text), ("application/openmetrics-text", .openMetrics),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8", .openMetrics),
    ("application/openmetrics-text;version=0.0.1", .text),
    ("Application/OpenMetrics-Text ; Version=\"1.0.0\"", .openMetrics),
    ("application/openmetrics-text;q=0.3, text/plain;q=0.5", .text), ("application/openmetrics-text;q=0", .text),
    ("application/openmetrics-text;q=x, */*", .text), ("application/openmetrics-text, text/plain", .openMetrics),
    ("application/openmetrics-text;q=0.5, text/*;q=0.9, text/plain;version=0.0.4;q=0.1", .openMetrics),
    // Prometheus 2 and 3.
    (
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
    ),
    (
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
        + "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
        + "*/*;q=0.2", .openMetrics
    ),
  ]

  @Test(arguments: asked)
  func `a request gets OpenMetrics where it names it and likes it no less`(
    accept: String?, format: Exposition.Format
  ) {
    #expect(Exposition.Format(accept: accept) == format)
  }
}
