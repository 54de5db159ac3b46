import Catalog
import Testing

/// What `visible_to` may say.
@Suite struct VisibilityMistakeTests {
  private func problems(_ visibleTo: String, organization: String = "required") -> [String] {
    let text = CatalogMistakeTests.sound
      .replacing("organization: required", with: "organization: \(organization)\nvisible_to: \(visibleTo)")
      .replacing("  rows: {type: list", with: "  shared: {type: boolean}\n  rows: {type: list")
    return CatalogMistakeTests.problems(text)
  }

  @Test func `it names a reference to a user, and a boolean that makes exceptions`() {
    #expect(problems("{field: owner_id}") == [])
    #expect(problems("{field: owner_id, unless: shared}") == [])
  }

  @Test(arguments: [
    ("{unless: shared}", "missing key 'field' in 'visible_to'"),
    ("{field: owner_idd}", "'visible_to': unknown field 'owner_idd' (did you mean 'owner_id'?)"),
    ("{field: name}", "'visible_to': 'name' must be a reference to a user"),
    ("{field: owner_id, unless: name}", "'visible_to': 'name' must be a boolean"),
    ("{field: owner_id, but: shared}", "unknown key 'but' in 'visible_to'"),
  ])
  func `anything else is told with its line`(_ text: String, _ message: String) {
    #expect(problems(text) == ["schema/thing.yaml:5: \(message)"])
  }

  @Test func `only what belongs to an organization has people whom it is hidden from`() {
    let told = problems("{field: owner_id}", organization: "optional")
    #expect(
      told == [
        "schema/thing.yaml:5: 'visible_to' needs resources that belong to an organization ('organization: required')"
      ])
  }
}
