"""Longer speech by rule: counting, spelling, repeating, stories, jokes, poems. Made to be interrupted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from voicewire.engine.brain.calendar_skills import MONTHS, WEEKDAYS
from voicewire.engine.brain.numbers import in_words, read_number
from voicewire.engine.brain.text import capitalise, listing

if TYPE_CHECKING:
    from voicewire.engine.brain.base import Turn

LONGEST_COUNT: Final = 100

_COUNT = re.compile(
    r"(?:please )?(?:start )?count(?:ing)?(?: (?P<down>down|backwards|backward))?(?: from "
    r"(?P<start>[\w -]+?))?(?: (?P<down2>down|backwards|backward))?"
    r"(?: (?:up )?to (?P<end>[\w -]+?))?(?: (?P<down3>backwards|backward))?(?: (?:slowly|for me|out "
    r"loud|aloud|and do not stop))*"
)
_SPELL = re.compile(
    r"(?:please )?(?:(?:how (?:do|would|can) (?:you|i) )?spell|how is|what is the spelling of)(?: "
    r"out)?(?: the word)? (?P<word>[\w'-]+)(?: spelled| spelt)?"
)
_REPEAT = re.compile(
    r"(?:please )?(?:(?:say|repeat)(?: that| it| this)?(?: (?:again|once more|one more time))|"
    r"repeat(?: (?:that|it|yourself|please|the last (?:thing|sentence|part)|what you (?:just "
    r")?said))?|"
    r"(?:what|sorry what|pardon|come again|what was that|what did you (?:just )?say|i did not "
    r"(?:hear|catch|get|understand) (?:that|you)|say what|huh|one more time|once more|again))(?: "
    r"please)?"
)
_ECHO = re.compile(
    r"(?:please )?(?:repeat after me|say after me|say|repeat(?=:))[,: ]+[\"']?(?P<what>.+?)[\"']?[.!]?$",
    re.IGNORECASE,
)
_STORY = re.compile(
    r"(?:please )?(?:(?:tell|read|give|make)(?: me| us)?|(?:i want|i would like|i want to hear|i "
    r"would like to hear)|(?:can|could) i (?:hear|have)|let me hear)?\s*"
    r"(?P<another>another|one more|a|an|some|the)?\s*(?:(?:short|long|nice|little|bedtime|good|very|"
    r"really|funny|scary|whole|longer|new|quick|fairy) )*(?P<kind>story|tale|fairytale|stories)"
    r"(?: (?:about|of|with|on) (?P<topic>.+?))?(?: (?:please|to me))?"
)
_JOKE = re.compile(
    r"(?:please )?(?:(?:tell|give)(?: me| us)?|(?:do|can) you (?:know|tell me|have)|say|i want to "
    r"hear|make)?\s*(?:another|a|an|some|any|one more)?\s*(?:(?:good|funny|bad|short|silly|dad) )*"
    r"(?:jokes?(?: about .+)?|(?:something|anything) funny|me laugh)(?: please)?"
)
_POEM = re.compile(
    r"(?:please )?(?:(?:tell|read|recite|write|give|say|make)(?: me| us)?|sing(?: me| us)?|can you "
    r"sing|do you know|i want to hear)?\s*(?:another|a|an|some|the)?\s*(?:(?:short|nice|little|good) "
    r")*(?:poem|poems|poetry|song|rhyme|lullaby|something)?"
    r"(?: (?:about|for) (?P<topic>.+))?"
)
_POEM_WORD = re.compile(r"\b(?:poem|poems|poetry|rhyme|lullaby|sing|song)\b")
_LONG = re.compile(
    r"(?:please )?(?:tell me|say|talk about|give me|tell us|can you tell me|talk|speak|keep talking|"
    r"just talk|go on|say something)\s*(?:(?:me |us )?(?:something|anything|a thing))?"
    r"\s*(?:interesting|long|very long|really long|new|cool|fun|for (?:a (?:while|minute|bit)|(?:one|"
    r"two|\d+) minutes?)|a (?:fun|random|interesting|cool) fact|some(?: fun| interesting)? facts?|a "
    r"bit|more|to me|a long (?:answer|sentence|speech))?"
)
_LONG_WORD = re.compile(
    r"\b(?:something|fact|facts|long|talking|while|minute|minutes|anything|go on|talk|more)\b"
)

STORIES: Final = (
    (
        "lighthouse sea ocean boat ship sailor water wave fish",
        "Once upon a time, a small lighthouse stood at the edge of a grey sea. Every night its lamp "
        "turned slowly, and every night the "
        "ships found their way home. One winter the lamp went dark in the middle of a storm. The "
        "keeper's daughter, who was only nine, "
        "climbed the two hundred steps with a candle in each hand. She stood at the window until "
        "morning and did not let the candles go "
        "out. At sunrise three fishing boats came into the harbour, one after the other. The sailors "
        "said that they had followed two "
        "small stars. From that day on, the people called the lighthouse the Two Stars.",
    ),
    (
        "robot machine computer future space star planet music moon",
        "There was once a little robot whose only job was to water the plants on a space station. It "
        "did the job well, but nobody ever "
        "spoke to it. So it began to hum to the tomatoes. The tomatoes grew twice as fast. The "
        "engineers looked for the reason for a "
        "whole year. They tested the light, the water and the soil. In the end a cook came in to "
        "fetch some basil, and heard the robot "
        "singing. After that the robot had a new job. It sang every evening, and the whole station "
        "came to listen.",
    ),
    (
        "cat dog animal mouse bird garden house home friend fox rabbit",
        "An old cat lived in a bookshop at the corner of a busy street. She slept on the travel "
        "books, because they were the warmest. "
        "One day a young mouse asked her what was written under her paws. The cat did not know, "
        "because she had never looked. So the two "
        "of them opened the book together. They read about deserts, about jungles, and about a "
        "mountain made of ice. Since then the "
        "bookshop has had two readers at night. And if you look closely, there are crumbs between the pages.",
    ),
    (
        "dragon king queen princess prince knight castle magic wizard forest tree boy girl",
        "Far away, in a castle with no doors, there lived a dragon that was afraid of the dark. "
        "Every evening it lit all the candles with "
        "one careful breath. One evening a girl came over the hill with a broken lantern and asked "
        "for a light. The dragon had never had "
        "a guest. It lit the lantern, and then it asked her how she could walk through the night "
        "alone. She told it that the dark is only "
        "the place where the stars are kept. So the dragon blew out its candles, one by one. It "
        "looked up, and it was not afraid any more.",
    ),
)
_TOPIC_STORY: Final = (
    "Once upon a time there was a story about {topic} that nobody had ever told. It waited in a "
    "quiet village, in a box at the back of a "
    "shop. One rainy day a child opened the box and asked what was inside. The old shopkeeper smiled "
    "and began to speak of {topic}. He "
    "spoke until the rain had stopped and the street lamps were lit. The next day the child told it "
    "to a friend, and the friend told it "
    "to a stranger. Before long the whole country knew about {topic}. And the box in the shop was "
    "never empty again."
)
JOKES: Final = (
    "Why did the clock go to school? It wanted to learn how to tell the time.",
    "What did one microphone say to the other? I hear you've been repeating yourself.",
    "Why was the computer cold? Somebody had left its windows open.",
    "What do you call a fish without an eye? A fsh.",
    "Why do bees hum? Because they never learned the words.",
    "I told my suitcase that we're not going on holiday this year. Now it has emotional baggage.",
)
POEMS: Final = (
    (
        "The morning comes on quiet feet, and pours its gold along the street. The kettle hums, the "
        "windows glow, and no one yet has far to go."
    ),
    (
        "The sea writes letters on the sand, in lines that nobody can keep. It reads them once, in its "
        "own hand, and takes them back into the deep."
    ),
    (
        "Sleep, little river, the mill is still, the moon has climbed above the hill. The owl keeps "
        "watch, the stars keep time, and night comes softly, rhyme by rhyme."
    ),
)
FACTS_AT_LENGTH: Final = (
    "Here is something interesting. An octopus has three hearts and blue blood. Two of the hearts "
    "pump blood through the gills, and the "
    "third one pumps it through the rest of the body. When the octopus swims, that third heart stops "
    "beating. That is one reason why it "
    "would rather crawl than swim. Most of its nerve cells are not in its head but in its arms. So "
    "each arm can taste, touch and decide a "
    "little for itself.",
    "Here is something about time. A day on Venus is longer than its year. The planet needs about "
    "two hundred and forty three of our days "
    "to turn once around itself. But it needs only about two hundred and twenty five days to travel "
    "around the sun. It also turns in the "
    "other direction from most planets. So if you could stand there and see through the clouds, the "
    "sun would rise in the west.",
    "Here is something about trees. Trees in a forest are often joined by threads of fungus under "
    "the ground. Water and sugar can pass "
    "along these threads. The fungus gets some of the sugar for its work. The oldest known living "
    "trees are bristlecone pines, and some "
    "of them are more than four thousand years old. They were already old when the Romans built "
    "their first roads.",
)


def count(core: str) -> str | None:
    """Count aloud, up or down, at most ``LONGEST_COUNT`` numbers."""
    match = _COUNT.fullmatch(core)
    if match is None or not (match["end"] or match["start"] or match["down"]):
        return None
    is_down = bool(match["down"] or match["down2"] or match["down3"])
    start, end = _whole(match["start"]), _whole(match["end"])
    if (match["start"] and start is None) or (match["end"] and end is None):
        return None
    if is_down and start is None:
        start, end = (end if end is not None else 10), 1
    start = 1 if start is None else start
    end = (1 if is_down else start + 9) if end is None else end
    step = -1 if end < start else 1
    numbers = list(range(start, end + step, step))
    is_cut = len(numbers) > LONGEST_COUNT
    words = [in_words(number) for number in numbers[:LONGEST_COUNT]]
    groups = [capitalise(", ".join(words[index : index + 10])) + "." for index in range(0, len(words), 10)]
    return " ".join([*groups, f"I'll stop at {words[-1]}."] if is_cut else groups)


def _whole(words: str | None) -> int | None:
    if words is None:
        return None
    tokens = words.replace("-", " ").split()
    read = read_number(tokens)
    if read is None or read[1] != len(tokens) or read[0].denominator != 1 or read[0] > 10**6:
        return None
    return int(read[0])


def spell(core: str) -> str | None:
    """Spell one word, letter by letter."""
    match = _SPELL.fullmatch(core)
    if match is None or (core.startswith("how is") and not core.endswith(("spelled", "spelt"))):
        return None
    word = match["word"]
    letters = [char.upper() for char in word if char.isalnum()]
    if not letters or len(letters) > 40:
        return None
    return f"{capitalise(word)} is spelled {', '.join(letters)}."


def repeat(core: str, history: tuple[Turn, ...]) -> str | None:
    """Say the last answer again."""
    if not _REPEAT.fullmatch(core):
        return None
    for turn in reversed(history):
        if turn.role == "assistant" and turn.text.strip():
            return turn.text.strip()
    return "I haven't said anything yet."


def echo(raw: str) -> str | None:
    """Say what the user dictates: "repeat after me: ..."."""
    match = _ECHO.match(raw.strip())
    if match is None:
        return None
    is_vague = re.match(
        r"(?:that|it|this|something|anything|a|the|your|my|what|please|yourself)\b", match["what"].lower()
    )
    if is_vague and "after me" not in raw.lower():
        return None
    return capitalise(match["what"].strip()).rstrip(".") + "."


def tell_story(core: str, history: tuple[Turn, ...]) -> str | None:
    """Tell a story, on the wished topic if there is one, and never the same twice in a row."""
    match = _STORY.fullmatch(core)
    if match is None:
        return "" if core == "story" else None
    topic = re.sub(r"^(?:a|an|the|some|my) ", "", match["topic"] or "")
    if topic:
        wanted = set(re.findall(r"[a-z]+", topic)) | {word.rstrip("s") for word in topic.split()}
        for keys, text in STORIES:
            if wanted & set(keys.split()) and text not in _spoken(history):
                return text
        return _TOPIC_STORY.format(topic=match["topic"])
    return _next_of(tuple(text for _, text in STORIES), history)


def joke(core: str, history: tuple[Turn, ...]) -> str | None:
    """Tell a joke that was not told before."""
    return _next_of(JOKES, history) if _JOKE.fullmatch(core) else None


def poem(core: str, history: tuple[Turn, ...]) -> str | None:
    """Recite a short poem that was not recited before."""
    return _next_of(POEMS, history) if _POEM_WORD.search(core) and _POEM.fullmatch(core) else None


def ramble(core: str, history: tuple[Turn, ...]) -> str | None:
    """Say something interesting and long."""
    return _next_of(FACTS_AT_LENGTH, history) if _LONG_WORD.search(core) and _LONG.fullmatch(core) else None


def another(core: str, history: tuple[Turn, ...]) -> str | None:
    """After a joke, story, poem or fact: "another one"."""
    if not re.fullmatch(r"(?:(?:tell|give) me )?(?:another(?: one)?|one more|more|next|the next one)", core):
        return None
    last = next(
        (turn.text for turn in reversed(history) if turn.role == "assistant" and turn.text.strip()), ""
    )
    for pool in (JOKES, POEMS, FACTS_AT_LENGTH, tuple(text for _, text in STORIES)):
        if any(last[:40] == text[:40] for text in pool):
            return _next_of(pool, history)
    return None


def _spoken(history: tuple[Turn, ...]) -> str:
    return "\n".join(turn.text for turn in history if turn.role == "assistant")


def _next_of(pool: tuple[str, ...], history: tuple[Turn, ...]) -> str:
    said = [turn.text[:40] for turn in history if turn.role == "assistant"]
    # Only the first words are compared: an interrupted item keeps what was heard, not the whole text.
    counts = [sum(text.startswith(start) for start in said if start) for text in pool]
    return pool[counts.index(min(counts))]


def alphabet(core: str) -> str | None:
    """Say the alphabet, the days or the months in order."""
    lists = {
        "alphabet": [chr(code) for code in range(ord("A"), ord("Z") + 1)],
        "days of the week": [name.capitalize() for name in WEEKDAYS],
        "months of the year": [name.capitalize() for name in MONTHS],
        "months": [name.capitalize() for name in MONTHS],
        "seasons": ["spring", "summer", "autumn", "winter"],
        "four seasons": ["spring", "summer", "autumn", "winter"],
        "colors of the rainbow": ["red", "orange", "yellow", "green", "blue", "indigo", "violet"],
        "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune".split(),
        "continents": ["Africa", "Antarctica", "Asia", "Europe", "North America", "Oceania", "South America"],
        "oceans": [
            "the Pacific",
            "the Atlantic",
            "the Indian Ocean",
            "the Southern Ocean",
            "the Arctic Ocean",
        ],
        "primary colors": ["red", "yellow", "blue"],
    }
    match = re.fullmatch(
        (
            r"(?:(?:say|recite|name|list|what are|tell me|give me|can you name|tell us)(?: all)?)(?: "
            r"of)? (?:the )?(?P<what>[a-z ]+?)(?: in (?:the solar system|order|our solar system|the "
            r"world))?"
        ),
        core.replace("colour", "color"),
    )
    names = lists.get(match["what"]) if match else None
    return capitalise(listing(names)) + "." if names else None
