import CanonicalJSON

extension TypeReader {
  /// `versions`: the read model of the type's versions.
  mutating func readVersions(_ member: SourceNode.Member, type name: String, of versioned: [String]) -> VersionTable? {
    let place = "'versions'"
    let known = ["summary", "id", "content", "named_by", "reasons"]
    guard let keys = members(member.value, of: place, known: known) else { return nil }
    if versioned.isEmpty { report(member.line, "\(place) is for a type with 'versioned' fields") }
    var table = VersionTable()
    if let key = keys["summary"] { table.summary = text(key.value, of: "'summary' of \(place)") ?? "" }
    if let key = keys["id"], let word = text(key.value, of: "'id' of \(place)") {
      let words = VersionTable.Numbering.allCases.map(\.rawValue)
      table.numbering =
        choice(word, VersionTable.Numbering.init(rawValue:), words, key, "'id' of \(place)") ?? .position
    }
    if let key = keys["content"], let word = text(key.value, of: "'content' of \(place)") {
      let words = VersionTable.Content.allCases.map(\.rawValue)
      table.content =
        choice(word, VersionTable.Content.init(rawValue:), words, key, "'content' of \(place)") ?? .snapshot
    }
    if let key = keys["named_by"] { table.namedBy = nameText(key.value, of: "'named_by' of \(place)") }
    if let key = keys["reasons"] { table.hasReasons = flag(key.value, of: "'reasons' of \(place)") ?? false }
    guard table.content == .columns else { return table }
    for field in fields where versioned.contains(field.name) {
      let isTaken = VersionTable.fixedColumns.contains(field.name) || field.name == "\(name)_id"
      if isTaken { report(member.line, "\(place): the column of '\(field.name)' has a meaning of its own already") }
      if field.personal != nil || field.isHidden {
        report(member.line, "\(place): '\(field.name)' is sealed or a hash, so it can't have a column of its own")
      }
    }
    return table
  }
}
