import CanonicalJSON

/// The small pieces that every part of a file is read with; each reports what isn't of its kind.
extension TypeReader {
  mutating func report(_ line: Int, _ message: String) {
    problems.append(CatalogProblem(file: file, line: line, message: message))
  }

  /// The keys of a mapping whose keys are the author's own, in order; an empty value counts as no keys.
  mutating func mapping(_ node: SourceNode, of place: String) -> [SourceNode.Member]? {
    switch node.content {
    case .mapping(let members): return members
    case .scalar(.null): return []
    default:
      report(node.line, "\(place) must be a mapping")
      return nil
    }
  }

  /// The keys of a mapping whose keys the language knows.
  mutating func members(
    _ node: SourceNode, of place: String, known: [String]
  ) -> [String: SourceNode.Member]? {
    guard let members = mapping(node, of: place) else { return nil }
    var byKey: [String: SourceNode.Member] = [:]
    for member in members {
      guard known.contains(member.key) else {
        report(member.line, "unknown key '\(member.key)' in \(place)\(Suggestion.hint(for: member.key, in: known))")
        continue
      }
      byKey[member.key] = member
    }
    return byKey
  }

  mutating func text(_ node: SourceNode, of place: String) -> String? {
    if case .scalar(.string(let text)) = node.content { return text }
    report(node.line, "\(place) must be text")
    return nil
  }

  mutating func flag(_ node: SourceNode, of place: String) -> Bool? {
    if case .scalar(.bool(let value)) = node.content { return value }
    report(node.line, "\(place) must be true or false")
    return nil
  }

  mutating func number(_ node: SourceNode, of place: String) -> Double? {
    if case .scalar(let value) = node.content, let number = value.doubleValue { return number }
    report(node.line, "\(place) must be a number")
    return nil
  }

  /// A list of distinct words, each with its line.
  mutating func texts(_ node: SourceNode, of place: String) -> [(name: String, line: Int)] {
    guard case .sequence(let elements) = node.content else {
      report(node.line, "\(place) must be a list")
      return []
    }
    var seen: Set<String> = []
    var words: [(name: String, line: Int)] = []
    for element in elements {
      guard let word = text(element, of: "each element of \(place)") else { continue }
      if !seen.insert(word).inserted {
        report(element.line, "\(place) names '\(word)' twice")
        continue
      }
      words.append((word, element.line))
    }
    return words
  }

  mutating func choice<Value>(
    _ word: String, _ make: (String) -> Value?, _ known: [String], _ member: SourceNode.Member, _ place: String
  ) -> Value? {
    if let value = make(word) { return value }
    let hint = Suggestion.hint(for: word, in: known)
    report(
      member.line,
      "\(place): unknown word '\(word)'\(hint.isEmpty ? " (one of \(known.joined(separator: ", ")))" : hint)")
    return nil
  }

  /// A name of a resource, field, command, event, constraint or class.
  mutating func checkName(_ name: String, line: Int, _ place: String) {
    let bytes = Array(name.utf8)
    let isName =
      !bytes.isEmpty && (97...122).contains(bytes[0])
      && bytes.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    if !isName { report(line, "\(place): a name has lower-case letters, digits and '_', and starts with a letter") }
    if bytes.count > Self.maximumNameLength {
      report(line, "\(place): a name has at most \(Self.maximumNameLength) characters")
    }
  }

  mutating func nameText(_ node: SourceNode, of place: String) -> String? {
    guard let name = text(node, of: place) else { return nil }
    checkName(name, line: node.line, place)
    return name
  }

  /// The declared field of that name, or a report that there is none.
  mutating func knownField(_ name: String, line: Int, _ place: String) -> Field? {
    if let field = fields.first(where: { $0.name == name }) { return field }
    report(line, "\(place): unknown field '\(name)'\(Suggestion.hint(for: name, in: fields.map(\.name)))")
    return nil
  }
}
