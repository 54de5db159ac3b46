import BasicTypes
import CanonicalJSON
import Catalog

/// When a pipeline runs: a cron line of five fields, one of the `@` words, or ETLab's object of an interval, a start date and catch-up.
enum Schedule {
  static let words = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@once"]

  /// What is wrong with a schedule.
  static func problems(_ value: JSON, path: String) -> [ValueProblem] {
    switch value {
    case .null: return []
    case .string(let text):
      return problem(ofLine: text).map { [ValueProblem(path: path, problem: $0)] } ?? []
    case .object(let object):
      return problems(object, path: path)
    default:
      return [ValueProblem(path: path, problem: "must be a cron line, a word such as @daily, or an object")]
    }
  }

  private static func problems(_ object: JSONObject, path: String) -> [ValueProblem] {
    var problems: [ValueProblem] = []
    func refuse(_ member: String, _ problem: String) {
      problems.append(ValueProblem(path: "\(path)/\(member)", problem: problem))
    }
    for (name, value) in object where !value.isNull {
      switch name {
      case "interval":
        if let text = value.stringValue {
          if let problem = problem(ofLine: text) { refuse(name, problem) }
        } else if value.integerValue.map({ $0 < 1 }) ?? true {
          refuse(name, "must be a cron line, a word such as @daily, or a number of seconds")
        }
      case "start_date", "end_date":
        if value.stringValue.flatMap({ Timestamp($0, assumingUTC: true) }) == nil {
          refuse(name, "must be a date or an RFC 3339 time")
        }
      case "catchup":
        if value.boolValue == nil { refuse(name, "must be true or false") }
      case "timezone":
        if value.stringValue == nil { refuse(name, "must be a string") }
      default:
        refuse(
          JSONPointer.escape(name), "is not a member of a schedule: interval, start_date, end_date, catchup, timezone")
      }
    }
    if object["interval"]?.isNull ?? true { refuse("interval", "is required") }
    return problems
  }

  /// What is wrong with a line; nil where nothing is.
  static func problem(ofLine text: String) -> String? {
    if text.utf8.first == UInt8(ascii: "@") {
      return words.contains(text) ? nil : "must be one of \(words.joined(separator: ", "))"
    }
    let parts = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
    guard parts.count == 5 else {
      return "must be five fields (minute, hour, day of month, month, day of week) or a word such as @daily"
    }
    for (part, field) in zip(parts, CronField.all) {
      if let problem = field.problem(part) { return "\(field.name): \(problem)" }
    }
    return nil
  }
}

/// One field of a cron line: lists of values, ranges and steps, months and days also by name.
private struct CronField {
  let name: String
  let range: ClosedRange<Int>
  var names: [String] = []
  /// The number of the first name.
  var firstName = 0

  static let all = [
    CronField(name: "minute", range: 0...59),
    CronField(name: "hour", range: 0...23),
    CronField(name: "day of month", range: 1...31),
    CronField(
      name: "month", range: 1...12,
      names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], firstName: 1),
    // 7 is Sunday too.
    CronField(name: "day of week", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
  ]

  func problem(_ text: Substring) -> String? {
    for element in text.split(separator: ",", omittingEmptySubsequences: false) {
      if let problem = problem(ofElement: element) { return problem }
    }
    return nil
  }

  private func problem(ofElement text: Substring) -> String? {
    let steps = text.split(separator: "/", omittingEmptySubsequences: false)
    if steps.count > 2 { return "has more than one step" }
    if steps.count == 2 {
      guard let step = CronField.number(steps[1]), step >= 1, step <= range.upperBound else {
        return "a step must be a number from 1 to \(range.upperBound)"
      }
    }
    if steps[0] == "*" { return nil }
    let bounds = steps[0].split(separator: "-", omittingEmptySubsequences: false)
    let values = bounds.map(value)
    guard values.count <= 2, values.allSatisfy({ $0 != nil }) else {
      let words = names.isEmpty ? "" : " or a name such as \(names[1])"
      return "must be *, or numbers from \(range.lowerBound) to \(range.upperBound)\(words), with , - and /"
    }
    if let first = values.first ?? nil, let last = values.last ?? nil, first > last {
      return "a range must not run backwards"
    }
    return nil
  }

  private func value(_ text: Substring) -> Int? {
    if let number = CronField.number(text) { return range.contains(number) ? number : nil }
    return names.firstIndex(of: text.lowercased()).map { $0 + firstName }
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.count <= 4, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }
}
