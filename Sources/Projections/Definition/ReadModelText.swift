import Catalog

/// What follows from `schema/` in one SQL file of `projections/`: front matter, tables, comments, and for versions the
/// fill.
///
/// The line `-- section: indexes` and what stands behind it in the file is written by hand.
package struct ReadModelText: Sendable {
  /// The name of the read model and of its table (`alerts`).
  package let name: String
  /// The file's name (`alerts.sql`).
  package var file: String { "\(name).sql" }
  /// The generated text, down to the line `-- section: indexes`.
  package let text: String

  /// The line at which the part begins that is written by hand.
  package static let handwritten = "-- section: indexes"
  /// How the first line of every generated file begins.
  static let mark = "-- Generated from schema/"

  /// The texts of every read model that follows from a catalog, in the order of their names.
  package static func all(of catalog: Catalog) -> [ReadModelText] {
    var texts: [ReadModelText] = []
    for type in catalog.types {
      if type.hasReadModel { texts.append(ReadModelText(name: type.plural, text: StateTableText.text(of: type))) }
      if let table = type.versionTable {
        texts.append(ReadModelText(name: VersionTable.name(of: type), text: VersionTableText.text(of: type, table)))
      }
    }
    return texts.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// The file as it has to be: the generated text, and what is written by hand in the present one.
  package func merged(with present: String?) -> String {
    guard let present, let start = ReadModelText.startOfHandwritten(present) else {
      return text + ReadModelText.handwritten + "\n"
    }
    return text + present[start...]
  }

  private static func startOfHandwritten(_ file: String) -> String.Index? {
    SQLText.lines(file).first { $0.utf8.elementsEqual(handwritten.utf8) }?.startIndex
  }
}
