// More words of the stories: what happens, and what it happens with.

/// The tables of gifts, mishaps, games and journeys.
func addOccasions(to grammar: inout StoryGrammar) {
  grammar.addTable("gift", "gift material source made", gifts)
  grammar.addTable("mishap", "mishap mend mark", mishaps)
  grammar.addTable("plant", "plant", plants)
  grammar.addTable("dish", "dish", dishes)
  grammar.addTable("hiding", "hiding", hidings)
  grammar.addTable("pet", "pet treat", pets)
  grammar.addTable("noise", "noise noisename", noises)
  grammar.addTable("noiseplace", "noiseplace", noisePlaces)
  grammar.addTable("big", "big", bigAnimals)
  grammar.addTable("small", "small", smallAnimals)
  grammar.addTable("trap", "trap rescue", traps)
  grammar.addTable("trail", "trail", trails)
  grammar.addTable("wanderer", "wanderer wandered", wanderers)
  grammar.addTable("goal", "goal", goals)
  grammar.addTable("delay", "delay", delays)
}

private let gifts = """
  necklace|shells|on the beach|put the shells on a string
  card|dry leaves|under the old oak|glued the leaves on paper
  crown|daisies|in the meadow|tied the daisies together
  bird house|bits of wood|behind the shed|nailed the wood together
  basket|long reeds|by the river|wove the reeds in and out
  cake|berries|along the fence|put the berries on the dough
  pillow|soft wool|on the farm|put the wool in a bag of cloth
  picture|feathers|in the hen yard|stuck the feathers on a board
  lantern|thin paper|in a drawer|folded the paper around a frame
  bracelet|buttons|in an old box|put the buttons on a thread
  apron|scraps of cloth|in the attic|sewed the scraps together
  """

/// What went wrong, how it was put right, what remained to be seen.
private let mishaps = """
  the wind blew it off the table, and it broke|We can tie it with thread|a thread around it
  the cat jumped on it, and it bent|We can press it flat under a book|a small bend in it
  a cup of milk fell over it|We can dry it in the sun|a pale spot on it
  a muddy boot stepped on it|We can wash it with a sponge|a brown mark on it
  it slipped and fell down the stairs|We can fix it with glue|a thin crack in it
  """

private let plants = """
  sunflower
  rose
  tulip
  poppy
  lily
  aster
  pumpkin
  pepper
  """

private let dishes = """
  vase
  bowl
  pot
  jug
  plate
  teapot
  clock
  mirror
  egg cup
  """

private let hidings = """
  under the bed
  under the rug
  behind the sofa
  behind the stove
  in the toy box
  in the laundry basket
  """

private let pets = """
  cat|fish
  dog|bone
  parrot|nut
  goat|carrot
  puppy|sausage
  kitten|bowl of milk
  """

private let noises = """
  Tap, tap, tap|Tap
  Thump, thump, thump|Thump
  Scratch, scratch, scratch|Scratch
  Squeak, squeak, squeak|Squeak
  Rustle, rustle, rustle|Rustle
  Knock, knock, knock|Knock
  Bump, bump, bump|Bump
  """

private let noisePlaces = """
  attic
  cupboard
  cellar
  old shed
  empty barrel
  big trunk
  wardrobe
  """

private let bigAnimals = """
  lion
  bear
  elephant
  wolf
  bull
  tiger
  horse
  eagle
  """

private let smallAnimals = """
  mouse
  ant
  bee
  snail
  beetle
  wren
  cricket
  """

/// How the big one was caught, how the small one freed it.
private let traps = """
  was caught in a net|cut the ropes one by one
  had a thorn in its foot|pulled the thorn out bit by bit
  was stuck in deep mud|ran to fetch all its brothers, and together they made a path of sticks
  was locked in a cage|crept into the lock and turned it from inside
  was lost in thick fog|went ahead and called, so that the big one could follow its voice
  had a bell tied to its tail|untied the knot with great care
  """

private let trails = """
  white stones
  bread crumbs
  red berries
  blue beads
  bits of string
  shiny shells
  """

private let wanderers = """
  butterfly|flew
  rabbit|hopped
  dragonfly|flew
  fox|ran
  beetle|flew
  cat|ran
  """

private let goals = """
  the old oak
  the red barn
  the stone bridge
  the end of the lane
  the top of the hill
  the school gate
  the windmill
  """

private let delays = """
  eat some plums
  take a nap
  look at a snail
  talk to the baker
  pick some flowers
  show off to the ducks
  """
