import CanonicalJSON

#if canImport(Glibc)
  import Glibc
#endif

/// All figures of a run, for people and for programs.
struct Report {
  var machine: JSONObject = [:]
  var elapsedSeconds = 0.0
  private(set) var figures: [Figure] = []
  private let options: BenchOptions
  private let at = Report.now

  init(options: BenchOptions) {
    self.options = options
  }

  /// Takes a figure in, and tells it.
  mutating func add(_ figure: Figure) {
    figures.append(figure)
    let verdict = figure.isMet.map { $0 ? ", ok" : ", below its floor" } ?? ""
    let ratio = figure.ratio.map { ", \(Number.text($0, decimals: 2)) x \(figure.baseline?.name ?? "")" } ?? ""
    Progress.say("  \(figure.name): \(Self.value(figure))\(ratio)\(verdict)")
  }

  var isEveryFloorMet: Bool { figures.allSatisfy { $0.isMet != false } }

  var json: JSON {
    let settings: JSONObject = [
      "parts": .array(Part.allCases.filter(options.parts.contains).map { .string($0.rawValue) }),
      "scale": .number(options.scale),
      "seconds": .number(options.loadSeconds), "rounds": .integer(Int64(options.rounds)),
      "events": .integer(Int64(options.largeLogEvents)), "page": .integer(Int64(options.page)),
      "transport": .string(options.transport.rawValue), "command_ids": .bool(options.commandIds),
    ]
    return [
      "at": .string(at), "machine": .object(machine), "settings": .object(settings),
      "elapsed_seconds": .number(elapsedSeconds.rounded()), "figures": .array(figures.map(\.json)),
      "every_floor_met": .bool(isEveryFloorMet),
    ]
  }

  /// Aligned columns, with the parts apart from each other.
  func table() -> String {
    let headings = ["", "RESULT", "P50 ms", "P99 ms", "P99.9 ms", "BESIDE", "RATIO", "FLOOR", "GOAL", "", ""]
    var rows: [(part: Part?, cells: [String])] = [(nil, headings)]
    for figure in figures {
      rows.append(
        (
          figure.part,
          [
            figure.name, Self.value(figure), figure.latency.map { Number.text($0.p50, decimals: 3) } ?? "",
            figure.latency.map { Number.text($0.p99, decimals: 3) } ?? "",
            figure.latency.map { Number.text($0.p999, decimals: 3) } ?? "",
            figure.baseline.map { Number.text($0.value, decimals: 0) } ?? "",
            figure.ratio.map { Number.text($0, decimals: 2) } ?? "", Self.floor(figure),
            figure.goal.map { Number.text($0, decimals: 2) } ?? "",
            figure.isMet.map { $0 ? "ok" : "BELOW" } ?? "", figure.note,
          ]
        ))
    }
    let widths = headings.indices.map { column in rows.map { $0.cells[column].count }.max() ?? 0 }
    var text = "\n" + heading + "\n"
    var part: Part?
    for row in rows {
      if row.part != part { text += "\n" }
      part = row.part
      var line = ""
      for (column, cell) in row.cells.enumerated() {
        let gap = String(repeating: " ", count: widths[column] - cell.count)
        // Words stand at the left, numbers at the right.
        line += [0, 7, 9, 10].contains(column) ? cell + gap : gap + cell
        line += "  "
      }
      while line.utf8.last == UInt8(ascii: " ") { line.removeLast() }
      text += line + "\n"
    }
    let below = figures.filter { $0.isMet == false }.count
    let judged = figures.filter { $0.isMet != nil }.count
    text +=
      "\n\(judged - below) of \(judged) floors are met; the run took \(Number.text(elapsedSeconds, decimals: 0)) s.\n"
    return text
  }

  private var heading: String {
    let facts = ["processor", "processors", "memory_mib", "kernel", "filesystem", "postgresql", "load_at_start"]
      .compactMap { name in
        machine[name].map { value in "\(Self.words(name)): \(value.stringValue ?? value.canonicalString)" }
      }
    return "Daybook bench, \(at)\n" + facts.joined(separator: ", ")
  }

  private static func words(_ name: String) -> String {
    name == "memory_mib" ? "memory MiB" : String(name.map { $0 == "_" ? " " : $0 })
  }

  private static func value(_ figure: Figure) -> String {
    let decimals = figure.value < 10 ? 3 : figure.value < 100 ? 1 : 0
    return "\(Number.text(figure.value, decimals: decimals)) \(figure.unit)"
  }

  private static func floor(_ figure: Figure) -> String {
    switch figure.floor {
    case nil: ""
    case .atLeast(let bound): ">= \(Number.text(bound, decimals: 0)) \(figure.unit)"
    case .below(let bound): "< \(Number.text(bound, decimals: 0)) \(figure.unit)"
    case .ratio(let bound): ">= \(Number.text(bound, decimals: 2)) x"
    case .ratioBelow(let bound): "< \(Number.text(bound, decimals: 2)) x"
    }
  }

  /// The time now, as RFC 3339 in UTC.
  private static var now: String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 32)
    let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Numbers as people read them.
enum Number {
  /// With so many decimals, and thousands apart by commas.
  static func text(_ value: Double, decimals: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = Int64((abs(value) * scale).rounded())
    let whole = scaled / Int64(scale)
    var grouped = ""
    for (index, digit) in String(whole).reversed().enumerated() {
      if index > 0, index % 3 == 0 { grouped.append(",") }
      grouped.append(digit)
    }
    var text = (value < 0 && scaled > 0 ? "-" : "") + String(grouped.reversed())
    if decimals > 0 {
      let rest = String(scaled % Int64(scale))
      text += "." + String(repeating: "0", count: decimals - rest.count) + rest
    }
    return text
  }
}
