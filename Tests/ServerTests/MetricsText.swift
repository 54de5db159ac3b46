import TestBasics

/// Metrics as a strict reader of Prometheus's text format 0.0.4 or of OpenMetrics 1.0 takes them: whatever neither of
/// the two allows is refused with its line.
struct MetricsText {
  struct Sample: Hashable {
    let name: String
    let labels: [String: String]
    let value: Double
  }

  struct Family {
    let name: String
    var kind = ""
    var help: String?
    var unit: String?
    var samples: [Sample] = []
  }

  private(set) var families: [Family] = []

  /// The samples of a name.
  func samples(_ name: String) -> [Sample] { families.flatMap(\.samples).filter { $0.name == name } }

  /// The only sample of a name with these labels.
  func value(_ name: String, _ labels: [String: String] = [:]) throws -> Double {
    let found = samples(name).filter { sample in labels.allSatisfy { sample.labels[$0.key] == $0.value } }
    guard found.count == 1, let first = found.first else {
      throw HarnessError("\(name) \(labels) has \(found.count) samples")
    }
    return first.value
  }

  init(_ text: String, isOpenMetrics: Bool) throws {
    guard text.hasSuffix("\n") else { throw HarnessError("the last line has no end") }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    if isOpenMetrics {
      guard lines.popLast() == "# EOF" else { throw HarnessError("# EOF is missing") }
    }
    for line in lines {
      do {
        try take(line, isOpenMetrics: isOpenMetrics)
      } catch {
        throw HarnessError("“\(line)”: \(error)")
      }
    }
    for family in families { try Self.check(family, isOpenMetrics: isOpenMetrics) }
    let names = families.map(\.name)
    guard Set(names).count == names.count else { throw HarnessError("a family stands twice") }
    let all = families.flatMap(\.samples).map { "\($0.name)\($0.labels.sorted { $0.key < $1.key })" }
    guard Set(all).count == all.count else { throw HarnessError("a sample stands twice") }
  }

  private mutating func take(_ line: Substring, isOpenMetrics: Bool) throws {
    if line.hasPrefix("# ") {
      let words = line.dropFirst(2).split(separator: " ", maxSplits: 2).map(String.init)
      guard words.count == 3, Self.isName(words[1]) else { throw HarnessError("a comment that is no declaration") }
      if families.last?.name != words[1] { families.append(Family(name: words[1])) }
      let last = families.count - 1
      guard families[last].samples.isEmpty else { throw HarnessError("a declaration behind samples") }
      switch words[0] {
      case "TYPE" where families[last].kind.isEmpty: families[last].kind = words[2]
      case "HELP" where families[last].help == nil: families[last].help = words[2]
      case "UNIT" where isOpenMetrics && families[last].unit == nil: families[last].unit = words[2]
      default: throw HarnessError("it stands twice, or is none of this format")
      }
      return
    }
    guard !families.isEmpty else { throw HarnessError("a sample before any family") }
    families[families.count - 1].samples.append(try Self.sample(line))
  }

  private static func isName(_ text: String) -> Bool {
    text.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil
  }

  private static func sample(_ line: Substring) throws -> Sample {
    var rest = line
    let name = String(rest.prefix { $0 != "{" && $0 != " " })
    guard isName(name) else { throw HarnessError("no name") }
    rest = rest.dropFirst(name.count)
    var labels: [String: String] = [:]
    if rest.first == "{" {
      rest = rest.dropFirst()
      while rest.first != "}" {
        if !labels.isEmpty {
          guard rest.first == "," else { throw HarnessError("no comma between labels") }
          rest = rest.dropFirst()
        }
        let label = String(rest.prefix { $0 != "=" })
        guard label.wholeMatch(of: /[a-zA-Z_][a-zA-Z0-9_]*/) != nil, labels[label] == nil else {
          throw HarnessError("no name of a label, or one twice")
        }
        rest = rest.dropFirst(label.count)
        guard rest.hasPrefix("=\"") else { throw HarnessError("no value of a label") }
        rest = rest.dropFirst(2)
        labels[label] = try quoted(&rest)
      }
      rest = rest.dropFirst()
    }
    guard rest.first == " ", !rest.dropFirst().contains(" ") else { throw HarnessError("no single value") }
    let number = rest.dropFirst()
    let value = number == "+Inf" ? .infinity : Double(number)
    guard let value, number == "+Inf" || number == "NaN" || number.allSatisfy({ "0123456789.e+-".contains($0) }) else {
      throw HarnessError("no number")
    }
    return Sample(name: name, labels: labels, value: value)
  }

  private static func quoted(_ rest: inout Substring) throws -> String {
    var text = ""
    while let next = rest.popFirst() {
      switch next {
      case "\"": return text
      case "\\":
        switch rest.popFirst() {
        case "n": text += "\n"
        case "\\": text += "\\"
        case "\"": text += "\""
        default: throw HarnessError("an escape that there is none of")
        }
      default: text.append(next)
      }
    }
    throw HarnessError("a value without its end")
  }

  private static func check(_ family: Family, isOpenMetrics: Bool) throws {
    func refuse(_ why: String) throws -> Never { throw HarnessError("\(family.name): \(why)") }
    guard family.help?.isEmpty == false else { try refuse("no help") }
    if let unit = family.unit, !family.name.hasSuffix("_" + unit) { try refuse("its name lacks its unit") }
    switch family.kind {
    case "counter":
      let name = isOpenMetrics ? family.name + "_total" : family.name
      guard name.hasSuffix("_total"), family.samples.allSatisfy({ $0.name == name && $0.value >= 0 }) else {
        try refuse("a counter's samples end in _total and are not negative")
      }
    case "gauge":
      guard family.samples.allSatisfy({ $0.name == family.name }) else { try refuse("another name") }
    case "info" where isOpenMetrics:
      guard family.samples.allSatisfy({ $0.name == family.name + "_info" && $0.value == 1 }) else {
        try refuse("no info")
      }
    case "histogram": try checkHistogram(family)
    default: try refuse("the kind \(family.kind)")
    }
  }

  private static func checkHistogram(_ family: Family) throws {
    func refuse(_ why: String) throws -> Never { throw HarnessError("\(family.name): \(why)") }
    let buckets = family.samples.filter { $0.name == family.name + "_bucket" }
    let sums = family.samples.filter { $0.name == family.name + "_sum" }
    let counts = family.samples.filter { $0.name == family.name + "_count" }
    guard buckets.count + sums.count + counts.count == family.samples.count, sums.count == 1, counts.count == 1 else {
      try refuse("a histogram has buckets, one sum and one count")
    }
    let bounds = buckets.map { $0.labels["le"] == "+Inf" ? .infinity : Double($0.labels["le"] ?? "") ?? .nan }
    guard bounds.last == .infinity, zip(bounds, bounds.dropFirst()).allSatisfy({ $0 < $1 }) else {
      try refuse("bounds ascend to +Inf")
    }
    guard zip(buckets, buckets.dropFirst()).allSatisfy({ $0.value <= $1.value }) else { try refuse("counts add up") }
    guard buckets.last?.value == counts.first?.value else { try refuse("the last bucket has all") }
  }
}
