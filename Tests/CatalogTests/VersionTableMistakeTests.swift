import Catalog
import Testing

/// What `versions` may say.
@Suite struct VersionTableMistakeTests {
  private func problems(_ versions: String, versioned: String = "[name]") -> [String] {
    CatalogMistakeTests.problems(
      CatalogMistakeTests.sound.replacing("versioned: [name]", with: "versioned: \(versioned)\nversions: \(versions)"))
  }

  @Test func `it declares where two read models of versions differ`() {
    #expect(problems("{}") == [])
    #expect(problems("{id: shifted, content: columns, named_by: name_given, reasons: true, summary: Words.}") == [])
  }

  @Test(arguments: [
    ("{id: poistion}", "[name]", "'id' of 'versions': unknown word 'poistion' (did you mean 'position'?)"),
    ("{content: rows}", "[name]", "'content' of 'versions': unknown word 'rows' (one of snapshot, columns)"),
    ("{reasons: yes}", "[name]", "'reasons' of 'versions' must be true or false"),
    ("{columns: true}", "[name]", "unknown key 'columns' in 'versions'"),
    (
      "{content: columns}", "[name, note]",
      "'versions': 'note' is sealed or a hash, so it can't have a column of its own"
    ),
  ])
  func `anything else is told with its line`(_ text: String, _ versioned: String, _ message: String) {
    let told = problems(text, versioned: versioned)
    #expect(told.count == 1 && told[0].hasPrefix("schema/thing.yaml:22: \(message)"), "\(told)")
  }

  @Test func `a column that has a meaning of its own already is refused`() {
    let text = CatalogMistakeTests.sound
      .replacing("  rank: {type", with: "  position: {type: integer}\n  rank: {type")
      .replacing("versioned: [name]", with: "versioned: [name, position]\nversions: {content: columns}")
    #expect(
      CatalogMistakeTests.problems(text) == [
        "schema/thing.yaml:23: 'versions': the column of 'position' has a meaning of its own already"
      ])
  }

  @Test func `a read model of its name may be there only once`() {
    let told = CatalogMistakeTests.problems(
      CatalogMistakeTests.sound.replacing("plural: things", with: "plural: thing_versions")
        .replacing("versioned: [name]", with: "versioned: [name]\nversions: {}"))
    #expect(told == ["schema/thing.yaml:22: read model 'thing_versions' is in schema/thing.yaml already"])
  }
}
