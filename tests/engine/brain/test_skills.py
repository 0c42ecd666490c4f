"""Which skill answers what a recogniser would write, and what no skill may answer."""

from __future__ import annotations

import pytest

from voicewire.engine.brain import skills, talk
from voicewire.engine.brain.base import BrainTurn

from .asking import NOW, assistant, turn, user

pytestmark = pytest.mark.unit

ANSWERED = [
    ("Hello.", "greeting", "Hello! How can I help you?"),
    ("Hi there!", "greeting", "Hello!"),
    ("Hello, assistant.", "greeting", "Hello!"),
    ("Good morning, Friday.", "greeting", "Good morning!"),
    ("Hey, how are you?", "greeting", "I'm doing well"),
    ("Hello. Hello. Can you hear me?", "hearing", "Yes, I can hear you."),
    ("Testing one two three.", "hearing", "Yes"),
    ("Is anybody there?", "hearing", "Yes"),
    ("Hello, what time is it?", "time", "It's 3:05 PM."),
    ("Um, what day is it today?", "date", "Today is Saturday"),
    ("Do you know what time it is?", "time", "It's 3:05 PM."),
    ("What's two plus two, please?", "arithmetic", "2 plus 2 is 4."),
    ("Hi, what is 12 times 12?", "arithmetic", "12 times 12 is 144."),
    ("What's 5 plus 5 and what time is it?", "arithmetic+time", "5 plus 5 is 10. It's 3:05 PM."),
    ("Thank you very much.", "thanks", "You're welcome!"),
    ("Okay, thanks!", "thanks", "You're welcome!"),
    ("Goodbye.", "goodbye", "Goodbye!"),
    ("Okay, bye bye.", "goodbye", "Goodbye!"),
    ("Have a nice day.", "goodbye", "Goodbye!"),
    ("What can you do?", "abilities", "I can tell you"),
    ("Can you help me?", "abilities", "I can tell you"),
    ("Who are you?", "identity", "I'm a small demo assistant"),
    ("What's your name?", "identity", "I'm a small demo assistant"),
    ("Are you a robot?", "human", "I am a computer program"),
    ("How old are you?", "age", "I am a program"),
    ("What is the capital of France?", "fact", "The capital of France is Paris."),
    ("What's the capital city of Spain?", "fact", "The capital of Spain is Madrid."),
    ("What is the capital of the US?", "fact", "The capital of the United States is Washington, D.C."),
    ("Which city is the capital of Japan?", "fact", "The capital of Japan is Tokyo."),
    ("Berlin is the capital of which country?", "fact", "Berlin is the capital of Germany."),
    ("Where is the Eival Tower?", "fact", "The Eiffel Tower is in Paris"),
    ("How many days are in a year?", "fact", "A year has 365 days"),
    ("How many legs does a spider have?", "fact", "A spider has eight legs."),
    ("How many days does April have?", "fact", "April has 30 days."),
    ("How many minutes are there in an hour?", "fact", "There are 60 minutes"),
    ("What does a cow say?", "fact", "A cow says moo."),
    ("What's the opposite of hot?", "fact", "The opposite of hot is cold."),
    ("What comes after Monday?", "fact", "Tuesday comes after Monday."),
    ("What is the largest planet?", "fact", "Jupiter"),
    ("Why is the sky blue?", "fact", "The sky is blue because"),
    ("What is photosynthesis?", "fact", "Photosynthesis is how plants"),
    ("Tell me about the sea.", "fact", "The sea covers"),
    ("Can you tell me something about the ocean?", "fact", "The sea covers"),
    ("Name the planets in the solar system.", "list", "Mercury, Venus"),
    ("What are the days of the week?", "list", "Monday, Tuesday"),
    ("Tell me a story.", "story", "Once upon a time"),
    ("Tell me a story about a dragon.", "story", "Far away, in a castle"),
    ("Tell me a story about cheese.", "story", "Once upon a time there was a story about cheese"),
    ("Tell me something long.", "ramble", "Here is something interesting."),
    ("Tell me something interesting.", "ramble", "Here is something interesting."),
    ("Tell me a joke.", "joke", talk.JOKES[0]),
    ("Sing me a song.", "poem", talk.POEMS[0]),
    ("Count to twenty.", "count", "One, two, three"),
    ("Can you count backwards from five?", "count", "Five, four, three, two, one."),
    ("Count from 5 to 10.", "count", "Five, six, seven, eight, nine, ten."),
    ("Spell banana.", "spell", "Banana is spelled B, A, N, A, N, A."),
    ("How do you spell necessary?", "spell", "Necessary is spelled N, E"),
    ("Repeat after me, the sky is blue.", "echo", "The sky is blue."),
    ("Say hello.", "echo", "Hello."),
    ("My name is Anna.", "memory", "Nice to meet you, Anna."),
    ("My name is Anna. What is the capital of Japan?", "memory+fact", "Nice to meet you, Anna. The capital"),
    ("Hi, I'm Bob and I live in Paris.", "memory", "Nice to meet you, Bob. Got it, you live in Paris."),
    ("What's my name?", "memory", "You haven't told me your name yet."),
    ("What's the weather like in London?", "limit:weather", "I can't check the weather"),
    ("Is it going to rain tomorrow?", "limit:weather", "I can't check the weather"),
    ("Turn on the lights.", "limit:home", "I can't control devices"),
    ("Play some music.", "limit:music", "I can't play music"),
    ("Call my mom.", "limit:calls", "I can't make calls"),
    ("Can you speak French?", "language", skills.ONLY_ENGLISH),
    ("How do you say hello in German?", "language", skills.ONLY_ENGLISH),
    ("Please answer in Spanish.", "language", skills.ONLY_ENGLISH),
    ("Bonjour, comment allez-vous?", "language", skills.ONLY_ENGLISH),
    ("\u4f60\u597d\uff0c\u4f60\u80fd\u542c\u89c1\u6211\u5417\uff1f", "language", skills.ONLY_ENGLISH),
    ("Do you speak English?", "language", "Yes, I speak English."),
    ("Stop.", "stop", "Okay."),
    ("Never mind.", "stop", "Okay."),
    ("Yes.", "yes", "Okay."),
    ("No, thank you.", "no", "All right."),
    ("That's wrong.", "complaint", "I'm sorry about that."),
    ("I'm tired.", "unwell", "I'm sorry to hear that."),
    ("Speak louder.", "volume", "I can't change how I sound"),
    ("Let's talk.", "bored", "I'd like that."),
    ("Set a timer for five minutes.", "timer", "I can't keep a timer here"),
    ("Say that again.", "repeat", "I haven't said anything yet."),
    ("", "empty", "Sorry, I didn't catch that."),
    ("...", "empty", "Sorry, I didn't catch that."),
]

LEFT_TO_OTHERS = """
I had a good time at the party.
Time flies when you're having fun.
What time does the train leave?
What day does the market open?
I have two cats and three dogs.
She is one in a million.
My computer is broken, what should I do?
Hello world program in Python.
Good morning Vietnam is a movie.
Good evening news.
Can you help me with my homework?
How do you spell success in business?
Say something nice about my sister.
Repeat customers are important for business.
Count Dracula is a vampire.
Can I count on you?
What is the capital of the company?
What is the capital of Atlantis?
How many people live in Berlin?
What comes after the storm?
Thank you for nothing, you broke my phone.
No one came to my birthday party.
Yes, but what about the other one?
Stop the car at the corner.
I am trying to learn French.
What is French toast?
Tell me how to fix a flat tire.
Tell me why you think so.
Do you remember the movie we talked about?
I like it when it rains.
What's the difference between a cat and a dog?
Half of my friends moved away.
Who is your favorite singer?
What should I name my dog?
How was your day?
What happened in 1969?
Turn left at the light.
Call it a day.
It's raining cats and dogs.
How do I turn off my phone?
A timer is a useful thing.
Why do people set timers for pasta?
What do cats eat?
I want to talk about my problems.
What are you doing?
Hold on to your dreams.
Where is my car?
What is two?
Two times a day.
Tell me a secret.
Who are you voting for?
What is love?
Is water wet?
Who was Napoleon?
Give me a recipe for pancakes.
What time is it? My printer ate my homework.
""".strip().splitlines()


@pytest.mark.parametrize(
    ("said", "skill", "start"), ANSWERED, ids=[said or "(nothing)" for said, _, _ in ANSWERED]
)
def test_the_right_skill_answers(said: str, skill: str, start: str) -> None:
    if said.strip("."):
        answer = skills.answer(turn(said))
    else:
        answer = skills.answer(turn(said, before=(user("Hello."), assistant("Hello!"))))
    assert answer is not None
    assert (answer.skill, answer.text[: len(start)]) == (skill, start)


@pytest.mark.parametrize("said", LEFT_TO_OTHERS)
def test_no_skill_answers_by_mistake(said: str) -> None:
    assert skills.answer(turn(said)) is None


def test_the_tables_are_large_enough() -> None:
    assert len(ANSWERED) >= 80
    assert len(LEFT_TO_OTHERS) >= 50


def test_a_response_without_any_input_greets() -> None:
    answer = skills.answer(
        BrainTurn(history=(), now=NOW, instructions="You're a helpful assistant named Friday.")
    )
    assert answer is not None
    assert answer.text == "Hello, I'm Friday. How can I help you?"


def test_the_instructions_name_the_assistant() -> None:
    answer = skills.answer(turn("Who are you?", instructions="You're a helpful assistant named Friday."))
    assert answer is not None
    assert answer.text == "I'm Friday, your voice assistant."


def test_a_known_user_is_greeted_by_name() -> None:
    answer = skills.answer(turn("Good morning!", before=(user("My name is Anna."),)))
    assert answer is not None
    assert answer.text == "Good morning, Anna! How can I help you?"


def test_timer_with_a_keeper() -> None:
    answer = skills.answer(turn("Remind me to feed my cat in ten minutes.", supports_timers=True))
    assert answer is not None
    assert (answer.timer_s, answer.label) == (600, "feed my cat")
    assert answer.text == "Okay, I'll remind you to feed your cat in 10 minutes."


def test_a_timer_without_a_keeper_is_not_promised() -> None:
    answer = skills.answer(turn("Set a timer for one hour."))
    assert answer is not None
    assert answer.timer_s == 0
    assert "can't" in answer.text


def test_say_that_again_repeats_what_was_heard() -> None:
    before = (user("What is 2 plus 2?"), assistant("2 plus 2 is 4."))
    answer = skills.answer(turn("Say that again.", before=before))
    assert answer is not None
    assert answer.text == "2 plus 2 is 4."


def test_sums_go_on_from_the_last_one() -> None:
    answer = skills.answer(
        turn("Times two.", before=(user("What is 3 plus 4?"), assistant("3 plus 4 is 7.")))
    )
    assert answer is not None
    assert answer.text == "7 times 2 is 14."
    assert skills.answer(turn("Times two.")) is None


def test_a_follow_up_keeps_the_question() -> None:
    before = (user("What is the capital of France?"), assistant("The capital of France is Paris."))
    answer = skills.answer(turn("And Italy?", before=before))
    assert answer is not None
    assert answer.text == "The capital of Italy is Rome."
    assert skills.answer(turn("And Italy?")) is None


def test_another_joke_is_another_one() -> None:
    before = (user("Tell me a joke."), assistant(talk.JOKES[0]))
    answer = skills.answer(turn("Another one.", before=before))
    assert answer is not None
    assert answer.text == talk.JOKES[1]


def test_an_interrupted_story_is_not_told_again_first() -> None:
    heard_so_far = talk.STORIES[0][1][:60]
    answer = skills.answer(
        turn("Tell me a story.", before=(user("Tell me a story."), assistant(heard_so_far)))
    )
    assert answer is not None
    assert answer.text == talk.STORIES[1][1]


def test_counting_ends() -> None:
    answer = skills.answer(turn("Count to one million."))
    assert answer is not None
    assert answer.text.endswith("ninety-nine, one hundred. I'll stop at one hundred.")


@pytest.mark.parametrize(
    "instructions",
    [
        "Always answer in French.",
        "You are kind. Speak only Japanese.",
        "\u7528\u4e2d\u6587\u56de\u7b54\u3002",
    ],
)
def test_foreign_instructions_get_one_notice(instructions: str) -> None:
    first = turn("What time is it?", instructions=instructions)
    assert skills.language_notice(first) == "I can only speak English here. "
    later = turn("What time is it?", before=(user("Hello."), assistant("Hello!")), instructions=instructions)
    assert skills.language_notice(later) == ""


def test_english_instructions_get_no_notice() -> None:
    assert (
        skills.language_notice(turn("Hello.", instructions="Answer in short sentences. Talk like a pirate."))
        == ""
    )
