import CanonicalJSON

/// A line that says what changed.
struct ChangeLine: Equatable, Sendable {
  /// What the line is about.
  enum Mark: Sendable {
    /// A value that was there before and is now.
    case changed
    /// What is there now, and was not.
    case added
    /// What was there, and is no more.
    case removed

    /// The colour that it has at a terminal.
    var paint: Paint? {
      switch self {
      case .changed: nil
      case .added: .green
      case .removed: .red
      }
    }
  }

  let mark: Mark
  let text: String

  init(_ mark: Mark, _ text: String) {
    self.mark = mark
    switch mark {
    case .changed: self.text = text
    case .added: self.text = "+ \(text)"
    case .removed: self.text = "- \(text)"
    }
  }
}

/// Changed fields as people read them: the values inside that differ, each with its path, so that what changed in a
/// large configuration is what is shown.
enum Changes {
  /// The lines for a width; each whole where there is none.
  static func shown(_ changes: JSON?, width: Int? = Table.noteWidth) -> [ChangeLine] {
    var lines: [ChangeLine] = []
    for (name, change) in changes?.objectValue ?? [:] {
      let (from, to) = (change["from"] ?? .null, change["to"] ?? .null)
      let secrets = (change["secrets"]?.arrayValue ?? []).compactMap(\.stringValue)
      // Where only secrets changed, both sides show the same.
      if secrets.isEmpty || from != to { lines += compared(name, from, to, width: width) }
      lines += secrets.map { ChangeLine(.changed, "\(name)\(Terminal.plain($0)): the secret changed") }
    }
    return lines
  }

  /// The lines as texts, each whole.
  static func lines(_ changes: JSON?) -> [String] { shown(changes, width: nil).map(\.text) }

  /// What differs between two values of a field.
  static func compared(_ name: String, _ from: JSON, _ to: JSON, width: Int?) -> [ChangeLine] {
    var drawing = Drawing(width: width)
    if from.isNull || to.isNull {
      if !to.isNull { drawing.add(.added, name, to) }
      if !from.isNull { drawing.add(.removed, name, from) }
      // A secret that was set or taken away shows as a mask on the other side; nothing at all is nothing to tell.
    } else if from == to {
      // What may not be shown: both sides are masked, or withheld alike.
      drawing.change(name, from, to)
    } else {
      drawing.compare(name, from, to)
    }
    return drawing.lines
  }

  /// A value in one line; a long one cut, since `--json` has the whole.
  static func short(_ value: JSON) -> String {
    if value.isNull { return "(none)" }
    return Terminal.fitted(Terminal.plain(value.canonicalString), to: 200)
  }
}

/// The lines of one comparison.
private struct Drawing {
  let width: Int?
  var lines: [ChangeLine] = []

  /// The most lines that one value, which came or went, takes at a terminal.
  private static let mostLines = 6
  /// The most lines of two texts that are compared line by line.
  private static let mostTextLines = 4000

  init(width: Int?) { self.width = width }

  mutating func compare(_ path: String, _ from: JSON, _ to: JSON) {
    switch (from, to) {
    case (.object(let old), .object(let new)):
      for (key, value) in old {
        let place = "\(path)/\(Terminal.plain(key))"
        if let now = new[key] {
          if value != now { compare(place, value, now) }
        } else {
          add(.removed, place, value)
        }
      }
      for (key, value) in new where old[key] == nil { add(.added, "\(path)/\(Terminal.plain(key))", value) }
    case (.array(let old), .array(let new)):
      compare(path, old, new)
    case (.string(let old), .string(let new)) where old.contains("\n") && new.contains("\n"):
      compareText(path, old, new)
    default:
      change(path, from, to)
    }
  }

  private mutating func compare(_ path: String, _ old: [JSON], _ new: [JSON]) {
    if let member = Self.identity(old, new) {
      return compareMembers(path, old, new, by: member)
    }
    let isSimple = (old + new).allSatisfy { $0.arrayValue == nil && $0.objectValue == nil }
    guard isSimple else {
      for index in 0..<max(old.count, new.count) {
        let place = "\(path)[\(index)]"
        if index >= new.count {
          add(.removed, place, old[index])
        } else if index >= old.count {
          add(.added, place, new[index])
        } else if old[index] != new[index] {
          compare(place, old[index], new[index])
        }
      }
      return
    }
    let difference = new.difference(from: old)
    let isMoved = Set(difference.removals.map(Self.element)) == Set(difference.insertions.map(Self.element))
    guard !isMoved else { return change(path, .array(old), .array(new)) }
    for step in difference.removals { add(.removed, path, Self.element(step)) }
    for step in difference.insertions { add(.added, path, Self.element(step)) }
  }

  private static func element(_ step: CollectionDifference<JSON>.Change) -> JSON {
    switch step {
    case .insert(_, let element, _), .remove(_, let element, _): element
    }
  }

  /// The member by which the elements of two lists are told apart, whichever place they have: steps by their names.
  private static func identity(_ old: [JSON], _ new: [JSON]) -> String? {
    guard !old.isEmpty, !new.isEmpty else { return nil }
    func tells(_ list: [JSON], _ member: String) -> Bool {
      var seen: Set<JSON> = []
      return list.allSatisfy { element in
        guard let value = element[member], value.stringValue?.isEmpty == false || value.integerValue != nil else {
          return false
        }
        return seen.insert(value).inserted
      }
    }
    return ["id", "name", "key", "column", "field", "slug"].first { tells(old, $0) && tells(new, $0) }
  }

  private mutating func compareMembers(_ path: String, _ old: [JSON], _ new: [JSON], by member: String) {
    func label(_ element: JSON) -> String {
      let identity = element.cell(member)
      let isID = Lookup.isIdentifier(identity)
      let names = isID ? ["name", "label", "title"] : member == "id" ? ["name"] : []
      let name = names.compactMap { element[$0]?.stringValue }.first { !$0.isEmpty }
      return "\(path)[\(Terminal.plain(name ?? identity))]"
    }
    func byIdentity(_ list: [JSON]) -> [JSON: JSON] {
      Dictionary(list.map { ($0[member] ?? .null, $0) }, uniquingKeysWith: { first, _ in first })
    }
    let (oldOnes, newOnes) = (byIdentity(old), byIdentity(new))
    for element in old {
      if let now = newOnes[element[member] ?? .null] {
        if element != now { compare(label(now), element, now) }
      } else {
        add(.removed, label(element), element)
      }
    }
    for element in new where oldOnes[element[member] ?? .null] == nil { add(.added, label(element), element) }
    let before = old.filter { newOnes[$0[member] ?? .null] != nil }.map { $0.cell(member) }
    let after = new.filter { oldOnes[$0[member] ?? .null] != nil }.map { $0.cell(member) }
    if before != after {
      change("\(path) in order", .array(before.map(JSON.string)), .array(after.map(JSON.string)))
    }
  }

  /// Line by line, as texts are compared.
  private mutating func compareText(_ path: String, _ old: String, _ new: String) {
    let before = old.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let after = new.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard before.count + after.count <= Self.mostTextLines else { return change(path, .string(old), .string(new)) }
    lines.append(ChangeLine(.changed, "\(path), lines that differ:"))
    let difference = after.difference(from: before)
    var removals: [Int: String] = [:]
    var insertions: [Int: String] = [:]
    for case .remove(let offset, let line, _) in difference { removals[offset] = line }
    for case .insert(let offset, let line, _) in difference { insertions[offset] = line }
    var from = 0
    var to = 0
    while from < before.count || to < after.count {
      if let line = removals[from] {
        lines.append(ChangeLine(.removed, fitted("\(from + 1) \(Terminal.plain(line))")))
        from += 1
      } else if let line = insertions[to] {
        lines.append(ChangeLine(.added, fitted("\(to + 1) \(Terminal.plain(line))")))
        to += 1
      } else {
        from += 1
        to += 1
      }
    }
  }

  /// A value in place of another: on one line where it fits, else one below the other, from where they begin to differ.
  mutating func change(_ path: String, _ from: JSON, _ to: JSON) {
    let (old, new) = (Terminal.plain(from.canonicalString), Terminal.plain(to.canonicalString))
    let line = "\(path): \(old) → \(new)"
    guard let width, Terminal.columns(line) > width else { return lines.append(ChangeLine(.changed, line)) }
    let room = width - 4 - Terminal.columns(path)
    let (mostOld, mostNew) = Self.fromDifference(old, new, room: max(24, room))
    lines.append(ChangeLine(.removed, fitted("\(path): \(mostOld)")))
    lines.append(ChangeLine(.added, fitted("\(path): \(mostNew)")))
  }

  /// The two texts without what is the same at their beginnings, where they would be cut before they differ.
  private static func fromDifference(_ old: String, _ new: String, room: Int) -> (String, String) {
    let (before, after) = (Array(old), Array(new))
    var same = 0
    while same < before.count, same < after.count, before[same] == after[same] { same += 1 }
    guard same > room / 2 else { return (old, new) }
    let start = max(0, same - room / 4)
    return ("…" + String(before[start...]), "…" + String(after[start...]))
  }

  /// A value that came or went: on one line where it fits, else its members one below the other.
  mutating func add(_ mark: ChangeLine.Mark, _ path: String, _ value: JSON) {
    let line = "\(path): \(Terminal.plain(value.canonicalString))"
    guard let width, Terminal.columns(line) + 2 > width else { return lines.append(ChangeLine(mark, line)) }
    var members: [(path: String, value: JSON)] = []
    Self.spread(path, value, into: &members)
    for member in members.prefix(members.count > Self.mostLines ? Self.mostLines - 1 : Self.mostLines) {
      lines.append(ChangeLine(mark, fitted("\(member.path): \(Terminal.plain(member.value.canonicalString))")))
    }
    if members.count > Self.mostLines {
      lines.append(ChangeLine(mark, "… and \(members.count - Self.mostLines + 1) more values; --json has them all"))
    }
  }

  private static func spread(_ path: String, _ value: JSON, into members: inout [(path: String, value: JSON)]) {
    switch value {
    case .object(let object) where !object.isEmpty:
      for (key, value) in object { spread("\(path)/\(Terminal.plain(key))", value, into: &members) }
    case .array(let elements) where elements.contains { $0.objectValue != nil || $0.arrayValue != nil }:
      for (index, element) in elements.enumerated() {
        let name = ["name", "id", "key"].compactMap { element[$0]?.stringValue }.first { !$0.isEmpty }
        spread("\(path)[\(name.map(Terminal.plain) ?? "\(index)")]", element, into: &members)
      }
    default: members.append((path, value))
    }
  }

  private func fitted(_ text: String) -> String { width.map { Terminal.fitted(text, to: $0 - 2) } ?? text }
}
