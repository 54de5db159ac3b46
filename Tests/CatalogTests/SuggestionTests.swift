import Catalog
import Testing

@Suite struct SuggestionTests {
  @Test func `the nearest known word is suggested, and none that is far`() {
    let known = ["pipeline.create", "pipeline.rollback", "run.get", "run.list"]
    #expect(Suggestion.nearest(to: "pipeline.rolback", in: known) == "pipeline.rollback")
    #expect(Suggestion.nearest(to: "pipeline.craete", in: known) == "pipeline.create", "neighbours that are swapped")
    #expect(Suggestion.nearest(to: "run.got", in: known) == "run.get")
    #expect(Suggestion.nearest(to: "zzzzzzzzzzzz", in: known) == nil)
    #expect(Suggestion.nearest(to: "", in: known) == nil)
  }

  @Test func `several come nearest first, equally near ones by name`() {
    let known = ["run.gets", "run.get", "run.set", "run.list"]
    #expect(Suggestion.nearest(to: "run.gett", in: known, atMost: 3) == ["run.get", "run.gets"])
    #expect(Suggestion.nearest(to: "run.xet", in: known, atMost: 1) == ["run.get"])
  }

  @Test func `a stranger's very long word is not compared`() {
    let long = String(repeating: "a", count: 1 << 20)
    #expect(Suggestion.nearest(to: long, in: [long]) == nil)
  }
}
