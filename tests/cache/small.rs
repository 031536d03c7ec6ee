//! Windows and texts.

use crate::each_cache;

#[tokio::test]
async fn a_window_admits_its_limit_and_names_the_wait() {
    each_cache(|test| async move {
        let (cache, name) = (&test.cache, format!("w{}", test.id));
        for n in 1..=3 {
            let hit = cache.hit(&name, 60_000, 3).await.unwrap();
            assert_eq!((hit.passes, hit.count, hit.retry_after_ms), (true, n, 0));
        }
        let refused = cache.hit(&name, 60_000, 3).await.unwrap();
        assert!(!refused.passes && refused.count == 3 && (1..=60_000).contains(&refused.retry_after_ms));
        assert!(!cache.peek(&name, 60_000, 3).await.unwrap().passes);
        assert!(cache.peek(&name, 60_000, 4).await.unwrap().passes);
        assert_eq!(cache.peek(&name, 60_000, 4).await.unwrap().count, 3, "looking does not count");
        cache.clear_window(&name).await.unwrap();
        assert_eq!(cache.hit(&name, 60_000, 3).await.unwrap().count, 1);
        let short = format!("s{}", test.id);
        assert!(cache.hit(&short, 50, 1).await.unwrap().passes);
        test.until(|| async { cache.hit(&short, 50, 1).await.unwrap().passes }).await;
    })
    .await;
}

#[tokio::test]
async fn texts_end_at_their_time() {
    each_cache(|test| async move {
        let (cache, name) = (&test.cache, format!("jti:{}", test.id));
        assert_eq!(cache.get(&name).await.unwrap(), None);
        cache.put(&name, "值", 60_000).await.unwrap();
        let (text, left) = cache.get(&name).await.unwrap().unwrap();
        assert!(text == "值" && (1..=60_000).contains(&left));
        cache.put(&name, "short", 40).await.unwrap();
        test.until(|| async { cache.get(&name).await.unwrap().is_none() }).await;
        cache.put(&name, "x", 60_000).await.unwrap();
        cache.remove(&name).await.unwrap();
        assert_eq!(cache.get(&name).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn one_of_many_callers_gets_a_lock_or_a_text() {
    each_cache(|test| async move {
        let (cache, lock, text) = (&test.cache, format!("lock:{}", test.id), format!("text:{}", test.id));
        cache.put(&text, "once", 60_000).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..20 {
            let (cache, lock, text) = (cache.clone(), lock.clone(), text.clone());
            tasks.spawn(async move {
                let locked = cache.put_new(&lock, &format!("v{n}"), 60_000).await.unwrap();
                (locked, cache.take(&text).await.unwrap().is_some())
            });
        }
        let got = tasks.join_all().await;
        assert_eq!((got.iter().filter(|g| g.0).count(), got.iter().filter(|g| g.1).count()), (1, 1));
        let held = cache.get(&lock).await.unwrap().unwrap().0;
        cache.remove_if(&lock, "another").await.unwrap();
        assert!(!cache.put_new(&lock, "next", 60_000).await.unwrap(), "only the holder releases it");
        cache.remove_if(&lock, &held).await.unwrap();
        assert!(cache.put_new(&lock, "next", 40).await.unwrap());
        test.until(|| async { cache.put_new(&lock, "later", 60_000).await.unwrap() }).await;
    })
    .await;
}

#[tokio::test]
async fn several_texts_are_read_at_once_in_their_order() {
    each_cache(|test| async move {
        let (cache, id) = (&test.cache, test.id);
        // In a Redis Cluster names that are read together share what stands in braces.
        let names: Vec<String> = ["a", "b", "c"].iter().map(|name| format!("many:{{{id}}}:{name}")).collect();
        cache.put(&names[0], "one", 60_000).await.unwrap();
        cache.put(&names[2], "three", 60_000).await.unwrap();
        let found = cache.get_all(&names).await.unwrap();
        assert_eq!(found, [Some("one".to_owned()), None, Some("three".to_owned())]);
        assert_eq!(cache.get_all(&[]).await.unwrap(), Vec::<Option<String>>::new());
        cache.put(&names[1], "short", 50).await.unwrap();
        test.until(|| async { cache.get_all(&names).await.unwrap()[1].is_none() }).await;
    })
    .await;
}
