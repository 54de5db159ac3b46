/// Rows that go straight into a read model's table by COPY, instead of by way of the staging tables.
enum RowCopy: Sendable {
  /// Rows of resources that are new in the chunk.
  case created(RowLayout)
  /// Every event, by columns of the staging table: for a read model that would only copy them over.
  case events([StagedColumn], into: [String])

  /// The way that a read model's rows can take; nil where only its SQL can fill it.
  init?(_ definition: ProjectionDefinition, _ types: [String: PostedType]) {
    switch definition.source {
    case .state(let name):
      guard let type = types[name], let layout = RowLayout(definition, type) else { return nil }
      self = .created(layout)
    case .events(.all):
      let fill = definition.fill.filter { !SQLText.touchesPersonal($0) }
      let opened = definition.fillOpened.filter { !SQLText.touchesPersonal($0) }
      guard fill.count == 1, opened.isEmpty, let copy = RowCopy.plain(fill[0], definition) else { return nil }
      self = copy
    case .events(.named):
      return nil
    }
  }

  /// The names of the columns that the rows have, in their order.
  var columns: [String] {
    switch self {
    case .created(let layout): layout.columns.map(\.name)
    case .events(_, let names): names
    }
  }

  /// Reads `INSERT INTO daybook.NAME (columns) SELECT columns FROM staged_events`, and nothing else: every column as it
  /// stands, of the same type on both sides.
  private static func plain(_ statement: String, _ definition: ProjectionDefinition) -> RowCopy? {
    let text = String(decoding: SQLText.code(statement), as: UTF8.self)
    guard let open = text.firstIndex(of: "("), let close = text.firstIndex(of: ")"), open < close,
      text[..<open].split(whereSeparator: \.isWhitespace) == ["INSERT", "INTO", "daybook.\(definition.name)"]
    else { return nil }
    let rest = text[text.index(after: close)...].split(whereSeparator: \.isWhitespace)
    guard rest.first == "SELECT", rest.suffix(2) == ["FROM", "staged_events"] else { return nil }
    func names(_ list: some StringProtocol) -> [String] {
      list.split(separator: ",", omittingEmptySubsequences: false).map { String($0.filter { !$0.isWhitespace }) }
    }
    let targets = names(text[text.index(after: open)..<close])
    let sources = names(rest.dropFirst().dropLast(2).joined(separator: " ")).compactMap { StagedColumn(rawValue: $0) }
    guard targets.count == sources.count, !sources.isEmpty else { return nil }
    for (target, source) in zip(targets, sources) {
      guard definition.columns.contains(where: { $0.name == target && $0.type == source.sqlType }),
        // Left out of what a read model of all events gets.
        ![.data, .fields, .versionNumber, .snapshotChanges, .snapshotRemoved].contains(source)
      else { return nil }
    }
    return .events(sources, into: targets)
  }
}
